"""Starting executions."""

import re
from collections.abc import Callable
from typing import Any, cast

from kork.clock import now_ms
from kork.database import Database
from kork.documents import Document
from kork.errors import BadRequest, SpinnakerError
from kork.identity import Identity
from kork.ids import new_ulid

from orca.artifacts import artifacts_of, resolve_for_start
from orca.bell import Bell
from orca.execution.changes import execution_event, updated_event
from orca.execution.concurrency import Turns
from orca.execution.listing import Executions
from orca.execution.model import Execution, JsonMap
from orca.execution.served import execution_document
from orca.execution.status import Status
from orca.execution.store import ExecutionStore
from orca.launching import configuration
from orca.launching.graph import stages_of
from orca.settings import OrcaSettings
from orca.stages.served_execution import read_execution
from orca.templates import Templates, evaluate_planned

_EXECUTION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SYSTEM = "system"


class Launcher:
    """Starts executions, each once per id."""

    def __init__(self, database: Database, settings: OrcaSettings, bell: Bell, templates: Templates) -> None:
        self._database = database
        self._bell = bell
        self._templates = templates
        self._again_ms = round(settings.executions.ring_again_seconds * 1000)

    def start_pipeline(self, pipeline: Document, user: Identity, origin: str) -> Execution:
        """Start a pipeline; gives the execution that exists already when its id or correlation is known.

        What is wrong with the pipeline raises `BadRequest`; where its execution could begin but not go on
        (disabled, artifacts missing), the failed execution is stored too.
        """
        known = self._known(pipeline.get("executionId"))
        if known is not None:
            return known
        execution_id = pipeline.get("executionId") or new_ulid()
        trigger = self._trigger(pipeline, user)
        pipeline = _with_artifacts_of_parent(pipeline, trigger)
        known_so_far = configuration.without_template(pipeline)
        try:
            known_so_far = planned = self._from_template(pipeline, trigger, strict=False)
            prepared, trigger = self._prepare(planned, trigger)
        except BadRequest as error:
            self._store_failed(known_so_far, trigger, user, origin, execution_id, error)
            raise
        execution = configuration.make_pipeline(
            prepared, trigger, execution_id=execution_id, user=user, origin=origin, now=now_ms(), new_id=new_ulid
        )
        return self._launch(execution)

    def plan(self, pipeline: Document, user: Identity, *, resolve_artifacts: bool) -> Document:
        """Give a pipeline as it would be started."""
        trigger = self._trigger(pipeline, user)
        pipeline = self._from_template(pipeline, trigger, strict=True)
        trigger = configuration.with_parameter_defaults(pipeline, trigger)
        if resolve_artifacts:
            trigger = resolve_for_start(pipeline, trigger, prior=self._prior_artifacts(pipeline))
        planned = configuration.evaluate_submission(pipeline | {"trigger": trigger}, trigger)
        return planned | {"stages": stages_of(planned)}

    def plan_template(self, pipeline: Document, user: Identity) -> Document:
        """Give the pipeline that a use of a template becomes, with all evaluated that its trigger tells."""
        trigger = self._trigger(pipeline, user)
        pipeline = self._from_template(pipeline, trigger, strict=True)
        planned = evaluate_planned(pipeline, configuration.with_parameter_defaults(pipeline, trigger))
        return planned | {"stages": stages_of(planned)}

    def fail_pipeline(self, pipeline: Document, user: Identity, origin: str) -> Execution:
        """Store an execution that failed before it could start (`errorMessage` says why)."""
        message = str(pipeline.get("errorMessage") or "unknown error")
        trigger = self._trigger(pipeline, user)
        error = BadRequest(message)
        execution_id = pipeline.get("executionId") or new_ulid()
        failed = self._store_failed(pipeline, trigger, user, origin, execution_id, error)
        if failed is None:
            raise error
        return failed

    def start_orchestration(self, request: Document, user: Identity, origin: str) -> Execution:
        """Start a list of jobs."""
        known = self._known(request.get("executionId"))
        if known is not None:
            return known
        trigger = configuration.read_trigger(request, user)
        execution = configuration.make_orchestration(
            request,
            trigger,
            execution_id=request.get("executionId") or new_ulid(),
            user=user,
            origin=origin,
            now=now_ms(),
            new_id=new_ulid,
        )
        return self._launch(execution)

    def _known(self, execution_id: Any) -> Execution | None:
        if execution_id is None:
            return None
        if not isinstance(execution_id, str) or not _EXECUTION_ID.fullmatch(execution_id):
            raise BadRequest("'executionId' must be a text of up to 64 letters, digits, '-' and '_'.")
        with self._database.connect() as connection:
            loaded = ExecutionStore(connection).load(execution_id)
        return loaded.execution if loaded else None

    def _trigger(self, pipeline: Document, user: Identity) -> Document:
        trigger = configuration.read_trigger(pipeline, user)
        parent: Any = trigger.get("parentExecution")
        parent_id = parent.get("id") if isinstance(parent, dict) else trigger.get("parentPipelineId")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if not isinstance(parent_id, str):
            return trigger
        with self._database.connect() as connection:
            loaded = ExecutionStore(connection).load(parent_id)
        if loaded is None:
            return trigger
        found = loaded.execution
        told = {
            "parentExecutionId": found.id,
            "isPipeline": found.is_pipeline,
            "parentStatus": found.status.value,
            "parentPipelineName": found.name,
        }
        return (
            trigger
            | {"parentExecution": execution_document(found)}
            | (told if parent is None else {"parentExecutionId": found.id})
        )

    def _from_template(self, pipeline: Document, trigger: Document, *, strict: bool) -> Document:
        """Give the pipeline that a template makes of this one; one without a template is as it is."""
        own = configuration.with_parameter_defaults(pipeline, trigger)
        return self._templates.planned(pipeline, own, strict=strict)

    def _prepare(self, pipeline: Document, trigger: Document) -> tuple[Document, Document]:
        trigger = configuration.with_parameter_defaults(pipeline, trigger)
        trigger = resolve_for_start(pipeline, trigger, prior=self._prior_artifacts(pipeline))
        configuration.check_enabled(pipeline)
        return configuration.evaluate_submission(pipeline, trigger), trigger

    def _prior_artifacts(self, pipeline: Document) -> Callable[[], list[JsonMap]]:
        def prior() -> list[JsonMap]:
            config_id = pipeline.get("id")
            if not isinstance(config_id, str):
                return []
            with self._database.connect() as connection:
                return Executions(connection).artifacts_of_latest(config_id)

        return prior

    def _launch(self, execution: Execution) -> Execution:
        correlation_id: Any = execution.trigger.get("correlationId")
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            if isinstance(correlation_id, str) and correlation_id:
                running = store.correlated(correlation_id, execution.type)
                if running is not None:
                    loaded = store.load(running)
                    if loaded is not None:
                        return loaded.execution
            if not store.insert(execution):
                loaded = store.load(execution.id)
                if loaded is None:
                    raise BadRequest(f"Execution {execution.id} was deleted just now.")
                return loaded.execution
            if isinstance(correlation_id, str) and correlation_id:
                store.correlate(correlation_id, execution.id)
            now = execution.build_time or 0
            store.set_due(execution.id, now + self._again_ms, now)
            if execution.pipeline_config_id and (execution.limit_concurrent or execution.max_concurrent):
                store.publish([updated_event(execution)])
                if execution.keep_waiting:
                    Turns(connection).join(execution)
        self._bell.advance([execution.id])
        return execution

    def _store_failed(
        self,
        pipeline: Document,
        trigger: Document,
        user: Identity,
        origin: str,
        execution_id: str,
        error: SpinnakerError,
    ) -> Execution | None:
        """Keep a trace of a start that failed; a pipeline that can't even be read leaves none."""
        try:
            execution = configuration.make_pipeline(
                pipeline, trigger, execution_id=execution_id, user=user, origin=origin, now=now_ms(), new_id=new_ulid
            )
        except BadRequest:
            return None
        execution.status, execution.canceled, execution.canceled_by = Status.TERMINAL, True, _SYSTEM
        lines = [f"Failed on startup: {error.message}", *(error.errors or [])]
        execution.cancellation_reason = "\n".join(lines)
        with self._database.begin() as connection:
            store = ExecutionStore(connection)
            if store.insert(execution):
                store.publish([execution_event(execution, "failed"), updated_event(execution)])
        return execution


def _with_artifacts_of_parent(pipeline: Document, trigger: Document) -> Document:
    """Hand on the artifacts of the execution that a repeated start names as its parent (`parentPipelineId`)."""
    given: Any = pipeline.get("trigger")
    parent: Any = trigger.get("parentExecution")
    is_repeated = isinstance(given, dict) and "parentExecution" not in given and isinstance(parent, dict)
    if not is_repeated or pipeline.get("receivedArtifacts"):
        return pipeline
    return pipeline | {"receivedArtifacts": artifacts_of(read_execution(cast(Document, parent)))}
