"""How a pipeline is started by hand."""

import asyncio
from contextlib import suppress
from typing import Any, cast

from fastapi import Request, Response
from kork.documents import Document, json_type
from kork.errors import BadRequest, SpinnakerError, UpstreamError
from kork.identity import Identity

from gate.backends import Backends, parsed, relayed, segment
from gate.pipelines.configs import Configs

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5


class Starter:
    """Starts pipelines through echo, which gives an execution's id at once."""

    def __init__(self, backends: Backends, configs: Configs, timeout_seconds: float) -> None:
        self._backends = backends
        self._configs = configs
        self._timeout = timeout_seconds

    async def start(
        self, request: Request, application: str, name_or_id: str, sent: Document, user: Identity
    ) -> Document:
        """Start a pipeline; gives `{eventId, ref: "/pipelines/<id>"}`. An error says which pipeline it is about."""
        try:
            config = await self._configs.get(request, application, name_or_id)
            trigger = complete_trigger(sent, user.user)
            check_parameters(config, trigger)
            path = f"/manual/{segment(application)}/{segment(config['id'])}"
            return parsed(await self._backends.call(request, "echo", "POST", path, json=trigger), "echo")
        except SpinnakerError as error:
            raise _about(error, application, name_or_id) from error

    async def plan(
        self, request: Request, application: str, name_or_id: str, sent: Document, user: Identity
    ) -> Response:
        """Have orca say what a start would do; nothing is started. An error says which pipeline it is about."""
        try:
            config = await self._configs.get(request, application, name_or_id)
            body = config | {"trigger": complete_trigger(sent, user.user)}
            return relayed(await self._backends.call(request, "orca", "POST", "/pipelines/plan", json=body))
        except SpinnakerError as error:
            raise _about(error, application, name_or_id, "plan") from error

    async def start_visibly(
        self, request: Request, application: str, name_or_id: str, sent: Document, user: Identity
    ) -> Document:
        """Start a pipeline, and answer when its execution can be read: scripts read it at once.

        Echo keeps a start until orca takes it; when that takes long, or orca is away, the answer comes before.
        """
        started = await self.start(request, application, name_or_id, sent, user)
        params = {"executionIds": str(started["ref"]).rpartition("/")[2], "expand": "false"}
        pause = _FIRST_PAUSE_SECONDS
        with suppress(TimeoutError, SpinnakerError):
            async with asyncio.timeout(self._timeout):
                while not await self._backends.get(request, "orca", "/pipelines", params=params):
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return started


def complete_trigger(sent: Document, user: str) -> Document:
    """Make the trigger out of what was sent: who starts it, and the lists that Deck expects.

    `spin` wraps its trigger (`{"trigger": {…}}`); it is unwrapped, so that parameters land where they belong.
    """
    trigger = dict(sent)
    inner = trigger.get("trigger")
    if isinstance(inner, dict) and "type" not in trigger:
        del trigger["trigger"]
        trigger = cast(Document, inner) | trigger
    trigger["type"] = _text(trigger.get("type"), "type") or "manual"
    trigger["user"] = _text(trigger.get("user"), "user") or user
    for key in ("notifications", "artifacts"):
        if trigger.get(key) is None:
            trigger[key] = []
        elif not isinstance(trigger[key], list):
            raise BadRequest(f"The trigger's '{key}' must be a list, not {json_type(trigger[key])}.")
    if trigger.get("parameters") is None:
        trigger["parameters"] = {}
    elif not isinstance(trigger["parameters"], dict):
        raise BadRequest(f"The trigger's 'parameters' must be an object, not {json_type(trigger['parameters'])}.")
    return trigger


def _text(value: Any, key: str) -> str:
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"The trigger's '{key}' must be text, not {json_type(value)}.")
    return value or ""


def check_parameters(config: Document, trigger: Document) -> None:
    """Refuse a start without a parameter that the pipeline requires and has no default for.

    Source: Gate's PipelineService.
    """
    given = cast(Document, trigger["parameters"])
    for declared in cast(list[Any], config.get("parameterConfig") or []):
        parameter = cast(Document, declared) if isinstance(declared, dict) else {}
        required = parameter.get("required") is True and parameter.get("default") is None
        if required and given.get(str(parameter.get("name"))) is None:
            raise BadRequest(f"Required parameter {parameter.get('name')} is missing")


def _about(error: SpinnakerError, application: str, name_or_id: str, what: str = "trigger") -> SpinnakerError:
    said = error.upstream_message if isinstance(error, UpstreamError) and not error.network else error.message
    details: Any = error.upstream_body if isinstance(error, UpstreamError) else None
    errors = cast(Document, details).get("errors") if isinstance(details, dict) else error.errors
    return SpinnakerError(
        f"Unable to {what} pipeline (application: {application}, pipelineNameOrId: {name_or_id}). Error: {said}",
        status=error.status,
        exception=error.exception,
        errors=errors,
        extra=error.extra,
        headers=error.headers,
    )
