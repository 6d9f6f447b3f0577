"""Plans: what a pipeline would do if it started now. Reads the database and asks others; stores nothing."""

from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from kork.clock import now_ms
from kork.database import Database
from kork.documents import Document
from kork.errors import UpstreamError
from kork.identity import Identity
from kork.ids import new_ulid

from orca.artifacts import Prospect, expected_ids_for, prospects, read_artifacts
from orca.execution.concurrency import Decision, Queue, Turns, decide
from orca.execution.listing import Executions
from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions.outside import calling
from orca.launching import configuration
from orca.launching.service import Launcher
from orca.plan.deploys import TYPE, DeployTrials
from orca.plan.outcome import plan_document, start_of
from orca.plan.stages import PlannedStage, StagePlanner
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue, UnknownStageType
from orca.stages.view import Services

_V4 = "v4"


class Planner:
    """Plans pipelines."""

    def __init__(
        self,
        database: Database,
        settings: OrcaSettings,
        catalogue: StageCatalogue,
        launcher: Launcher,
        services: Services,
    ) -> None:
        self._database = database
        self._settings = settings
        self._catalogue = catalogue
        self._launcher = launcher
        self._services = services

    def plan(self, pipeline: Document, user: Identity, origin: str) -> JsonMap:
        """Give the plan of a pipeline with its trigger. Raises `BadRequest` for what is no pipeline at all."""
        planned = self._as_it_would_start(pipeline, user)
        planned["trigger"] = _with_expected_ids(planned, planned["trigger"])
        found = prospects(planned, planned["trigger"], prior=lambda: self._prior_artifacts(planned))
        trigger = _with_artifacts(planned["trigger"], found)
        now = now_ms()
        execution = configuration.make_pipeline(
            planned, trigger, execution_id=new_ulid(), user=user, origin=origin, now=now, new_id=new_ulid
        )
        zone = ZoneInfo(self._settings.tasks.execution_window.timezone)
        planner = StagePlanner(execution, self._catalogue, now, zone, new_ulid, self._missing_pipeline)
        start = start_of(planned, execution, found, self._turn(execution), now)
        with calling(self._services):
            stages = planner.plan()
            if start.outcome != "refused":
                self._try_deploys(stages, planner)
        return plan_document(execution, start, found, stages)

    def _as_it_would_start(self, pipeline: Document, user: Identity) -> Document:
        """Let it be planned as for a start, but keep the stages' expressions: each is to be told."""
        planned = self._launcher.plan(pipeline, user, resolve_artifacts=False)
        if planned.get("spelEvaluator") == _V4:
            return planned
        kept: list[Document] = self._launcher.plan(pipeline | {"spelEvaluator": _V4}, user, resolve_artifacts=False)[
            "stages"
        ]
        evaluated: list[Document] = planned["stages"]
        if len(kept) != len(evaluated):
            return planned
        named = zip(kept, evaluated, strict=True)
        return planned | {"stages": [stage | _name_of(done) for stage, done in named]}

    def _prior_artifacts(self, pipeline: Document) -> list[JsonMap]:
        config_id = pipeline.get("id")
        if not isinstance(config_id, str):
            return []
        with self._database.connect() as connection:
            return Executions(connection).artifacts_of_latest(config_id)

    def _turn(self, execution: Execution) -> tuple[Queue, Decision] | None:
        limited = execution.limit_concurrent or execution.max_concurrent > 0
        if execution.pipeline_config_id is None or not limited:
            return None
        with self._database.connect() as connection:
            queue = Turns(connection).queue_for(execution)
        return queue, decide(execution, queue, self._settings.executions.max_waiting)

    def _missing_pipeline(self, stage: StageExecution) -> list[str]:
        """Say that the pipeline which a `pipeline` stage starts is not there."""
        child: Any = stage.context.get("pipeline")
        if stage.type != "pipeline" or not isinstance(child, str) or "${" in child:
            return []
        try:
            self._services.front50.get(f"/pipelines/{quote(child, safe='')}/get")
        except UpstreamError as error:
            return [f"pipeline: there is no pipeline '{child}'."] if error.status == 404 else []
        return []

    def _try_deploys(self, stages: list[PlannedStage], planner: StagePlanner) -> None:
        trials = DeployTrials(planner.execution, planner.foresight, self._services)
        for verdict in stages:
            if verdict.outcome not in ("runs", "unknown") or planner.execution.trigger.get("dryRun") is True:
                continue
            try:
                definition = self._catalogue.type_of(verdict.stage)
            except UnknownStageType:
                continue
            if definition.type == TYPE:
                verdict.deploy = trials.of(verdict, definition)


def _with_expected_ids(pipeline: Document, trigger: Document) -> Document:
    """Ask for what the received artifacts match, where nothing is asked for, as echo does for a start by hand."""
    if trigger.get("expectedArtifactIds"):
        return trigger
    received = read_artifacts(trigger.get("artifacts"), "trigger.artifacts")
    return trigger | {"expectedArtifactIds": expected_ids_for(pipeline, received, None)}


def _with_artifacts(trigger: Document, found: list[Prospect]) -> Document:
    bound = [each.expected.document(each.artifact) for each in found if each.artifact is not None]
    received = list(trigger.get("artifacts") or [])
    for each in found:
        if each.artifact is not None and each.artifact not in received:
            received.append(each.artifact)
    return trigger | {"artifacts": received, "expectedArtifacts": bound, "resolvedExpectedArtifacts": bound}


def _name_of(stage: Document) -> Document:
    return {"name": stage["name"]} if stage.get("name") is not None else {}
