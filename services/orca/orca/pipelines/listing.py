"""Lists of pipeline executions."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import orjson
import re2  # pyright: ignore[reportMissingTypeStubs]
from kork.clock import now_ms
from kork.database import Database
from kork.documents import Document, as_object
from kork.errors import BadRequest

from orca.execution.listing import Executions, Keep, Search
from orca.execution.model import Execution, JsonMap
from orca.execution.served import execution_document
from orca.execution.status import Status
from orca.settings import OrcaSettings

_DAY_MS = 24 * 3600 * 1000
_PAGE = 200
_MOST_SEARCHED = 20_000


def words(text: str) -> list[str]:
    """Split a comma separated parameter."""
    return [word.strip() for word in text.split(",") if word.strip()]


class PipelineLists:
    """Lists pipeline executions in Spinnaker's JSON. `expand` says whether contexts, outputs and tasks are shown."""

    def __init__(self, database: Database, settings: OrcaSettings) -> None:
        self._database = database
        self._settings = settings

    def of_ids(self, ids: Sequence[str], *, expand: bool) -> list[Document]:
        """List executions by id."""
        with self._database.connect() as connection:
            return self._shown(each for each in Executions(connection).of_ids(ids, expand=expand) if each.is_pipeline)

    def of_pipelines(
        self, config_ids: Sequence[str], limit: int, statuses: Sequence[str], *, expand: bool
    ) -> list[Document]:
        """List the latest executions of pipelines, newest first."""
        check_statuses(statuses)
        with self._database.connect() as connection:
            return self._shown(Executions(connection).latest_of_pipelines(config_ids, limit, statuses, expand=expand))

    def of_application(
        self,
        application: str,
        limit: int,
        statuses: Sequence[str],
        *,
        name_part: str = "",
        pipeline_limit: int | None = None,
        expand: bool,
    ) -> list[Document]:
        """List the latest executions of each pipeline: by start time, those that haven't started first."""
        check_statuses(statuses)
        controller = self._settings.tasks.controller
        keep = Keep(
            since=now_ms() - controller.days_of_execution_history * _DAY_MS,
            old=controller.number_of_old_pipeline_executions_to_include,
        )
        with self._database.connect() as connection:
            found = Executions(connection).latest_of_application(application, limit, statuses, keep, expand=expand)
        if name_part:
            found = [each for each in found if name_part.lower() in (each.name or "").lower()]
        if pipeline_limit is not None:
            shown = set(list(dict.fromkeys(each.pipeline_config_id for each in found))[:pipeline_limit])
            found = [each for each in found if each.pipeline_config_id in shown]
        found.sort(key=lambda each: each.id, reverse=True)
        found.sort(key=lambda each: each.start_time or 0)
        return self._shown(found)

    def wanted(self, application: str, *, reverse: bool, statuses: Sequence[str], **fields: Any) -> Search:
        """Make a search of the endpoint's parameters."""
        check_statuses(statuses)
        of = None if application == "*" else application
        return Search(of, "PIPELINE", statuses=statuses, newest_first=not reverse, **fields)

    def search(self, wanted: Search, trigger: str | None, *, start: int, size: int, expand: bool) -> list[Document]:
        """Find executions; `trigger` (JSON in base 64) is matched part by part."""
        pattern = _decoded(trigger) if trigger else None
        with self._database.connect() as connection:
            executions = Executions(connection)
            if pattern is None:
                found = executions.search(wanted, offset=start, limit=size)
            else:
                found = list(islice(_matching(executions, wanted, pattern), start, start + size))
            executions.load_stages(found, expand=expand)
            return self._shown(found)

    def _shown(self, executions: Iterable[Execution]) -> list[Document]:
        accounts = self._settings.executions.include_allowed_accounts
        return [execution_document(each, include_accounts=accounts) for each in executions]


def check_statuses(statuses: Sequence[str]) -> None:
    """Refuse a status that doesn't exist."""
    for status in statuses:
        if status not in Status.__members__:
            raise BadRequest(f"There is no status '{status}'. Statuses are: {', '.join(Status.__members__)}.")


def _decoded(trigger: str) -> JsonMap:
    try:
        return as_object(orjson.loads(base64.b64decode(trigger, validate=True)), "The parameter 'trigger'")
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"The parameter 'trigger' must be a JSON object in base 64: {error}.") from error


def _matching(executions: Executions, wanted: Search, pattern: JsonMap) -> Iterator[Execution]:
    scanned = executions.scan(wanted, most=_MOST_SEARCHED, page=_PAGE)
    return (each for each in scanned if matches(pattern, each.trigger))


def matches(pattern: Any, value: Any) -> bool:
    """Say whether `value` has all that `pattern` has: texts are equal but for case, or match as a regex."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and matches(item, value[key]) for key, item in cast(JsonMap, pattern).items()
        )
    if isinstance(pattern, list):
        items = cast(list[Any], value) if isinstance(value, list) else []
        return all(any(matches(each, item) for item in items) for each in cast(list[Any], pattern))
    if isinstance(pattern, str) and isinstance(value, str):
        return pattern.lower() == value.lower() or _is_match(pattern, value)
    return bool(pattern == value)


def _is_match(pattern: str, value: str) -> bool:
    regex: Any = re2
    try:
        return regex.fullmatch(pattern, value) is not None
    except regex.error:
        return False
