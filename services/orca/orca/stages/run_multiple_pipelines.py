"""`runMultiplePipelines`: start pipelines of an application in the order in which they depend on each other.

`yamlConfig` is `[{bundle_web: {<name>: {child_pipeline, arguments, depends_on: [<name>]}}}]`: those that depend on
nothing run first and together; the next level starts when all of one have succeeded.
Source: Orca's `RunMultiplePipelinesStage` and its tasks.
"""

from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orca.execution.model import EpochMillis, JsonMap
from orca.execution.status import Status
from orca.stages.child_outcomes import POLLS, Child, exception_of, outcome, read_child, summary
from orca.stages.child_pipelines import TASKS, cancel_children, child_id, has_started, start_child
from orca.stages.definition import (
    Loop,
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    redirect,
    stage,
    succeeded,
    task,
)
from orca.stages.operations import maps
from orca.stages.results import WaitsFor

_START_TIMEOUT_MS = 300_000
_MONITOR_TIMEOUT_MS = 24 * 3_600_000
_WORKLOADS = frozenset({"DaemonSet", "Deployment", "StatefulSet"})
_DEPLOYING = frozenset({"deployManifest", "runJobManifest"})
_DERIVED = ("orderOfExecutions", "orderOfExecutionsSize", "levelNumber", "executionIds", "runMultiplePipelinesOutputs")


class ChildPipeline(BaseModel):
    """One pipeline to run."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    child_pipeline: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])
    depends_on: list[str] = Field(default_factory=list[str])
    yaml_identifier: str = Field(default="", alias="yamlIdentifier")


class RunMultipleContext(StageContext):
    """What is to run, and how far it is."""

    yaml_config: list[dict[str, Any]] = Field(min_length=1)
    check_duplicated: bool = False
    ignore_uncompleted: bool = False
    pipeline_application: str | None = None
    order_of_executions: list[list[ChildPipeline]] = Field(default_factory=list[list[ChildPipeline]])
    level_number: int = 0
    execution_ids: list[str] = Field(default_factory=list[str])
    start_failures: list[str] = Field(default_factory=list[str])
    run_multiple_pipelines_outputs: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])

    @property
    def level(self) -> list[ChildPipeline]:
        """Give what runs now."""
        return self.order_of_executions[self.level_number] if self.order_of_executions else []


def read_children(config: list[dict[str, Any]]) -> dict[str, ChildPipeline]:
    """Read the pipelines by their names. Raises `TaskFailure` naming each wrong field."""
    bundle: Any = config[0].get("bundle_web")
    if not isinstance(bundle, dict) or not bundle:
        raise TaskFailure("yamlConfig[0].bundle_web: must be an object of pipelines by name, and have one at least.")
    children: dict[str, ChildPipeline] = {}
    faults: list[str] = []
    for name, each in cast(JsonMap, bundle).items():
        try:
            children[name] = ChildPipeline.model_validate(each).model_copy(update={"yaml_identifier": name})
        except ValidationError as error:
            for fault in error.errors():
                field = ".".join(str(part) for part in (name, *fault["loc"]))
                faults.append(f"yamlConfig[0].bundle_web.{field}: {fault['msg']}")
    if faults:
        raise TaskFailure(*faults, error="The pipelines to run are not described right")
    return children


def levels(children: dict[str, ChildPipeline]) -> list[list[ChildPipeline]]:
    """Put pipelines into levels, each after all that it depends on. Raises `TaskFailure` for what can't be."""
    unknown = [
        f"{name} depends on '{other}', which is not among the pipelines."
        for name, each in children.items()
        for other in each.depends_on
        if other not in children
    ]
    if unknown:
        raise TaskFailure(*unknown)
    ordered: list[list[ChildPipeline]] = []
    done: set[str] = set()
    while len(done) < len(children):
        ready = [name for name, each in children.items() if name not in done and done.issuperset(each.depends_on)]
        if not ready:
            circle = ", ".join(name for name in children if name not in done)
            raise TaskFailure(f"depends_on: these pipelines wait for each other, or for one that does: {circle}.")
        ordered.append([children[name] for name in ready])
        done.update(ready)
    return ordered


@task(name="parsePipelinesYamlTask", implementing_class=f"{TASKS}.ParsePipelinesYamlTask")
def parse_pipelines(stage: StageView[RunMultipleContext], now: EpochMillis) -> TaskResult:
    """Put the pipelines in order."""
    context = stage.context
    children = read_children(context.yaml_config)
    told = [(each.child_pipeline, each.arguments) for each in children.values()]
    if context.check_duplicated and any(each in told[:n] for n, each in enumerate(told)):
        raise TaskFailure(
            "Detected two or more duplicated arguments and calling the same child_pipeline. "
            "You would have the same execution"
        )
    ordered = levels(children)
    order = [[each.model_dump(by_alias=True) for each in level] for level in ordered]
    return succeeded({"orderOfExecutions": order, "orderOfExecutionsSize": len(order), "levelNumber": 0})


@io_task(
    name="runMultiplePipelines",
    implementing_class=f"{TASKS}.RunMultiplePipelinesTask",
    backoff=2_000,
    timeout=_START_TIMEOUT_MS,
)
def run_level(stage: StageView[RunMultipleContext], services: Services) -> TaskResult:
    """Start the pipelines of this level, each once. Those that can't be started are told and fail the level later."""
    context = stage.context
    application = context.pipeline_application or stage.application
    saved = {
        str(each.get("name")): each for each in maps(services.front50.get(f"/pipelines/{quote(application, safe='')}"))
    }
    missing = [each.child_pipeline for each in context.level if each.child_pipeline not in saved]
    if missing:
        raise TaskFailure(
            f"There is no pipeline {', '.join(map(repr, missing))} in the application {application}.",
            exception_type="ConfigurationException",
        )
    started: list[str] = []
    failures: list[str] = []
    for child in context.level:
        name, id = child.yaml_identifier, child_id(stage, child.yaml_identifier)
        try:
            config, named = saved[child.child_pipeline], {"executionIdentifier": name}
            started.append(start_child(stage, services, config, id=id, parameters=child.arguments, trigger=named))
        except UpstreamError as error:
            failures.append(f"{name} ({child.child_pipeline}): {error.upstream_message}")
        except TaskFailure as failure:
            if failure.retry:
                raise
            failures.append(f"{name} ({child.child_pipeline}): {'; '.join(failure.errors)}")
    if failures and not started:
        raise TaskFailure(*failures, "Child Pipelines were not executed")
    return succeeded({"executionIds": started, "startFailures": failures})


@io_task(
    name="monitorMultiplePipelinesTask",
    implementing_class=f"{TASKS}.MonitorMultiplePipelinesTask",
    backoff=POLLS,
    timeout=_MONITOR_TIMEOUT_MS,
    overridable=True,
)
def monitor_level(stage: StageView[RunMultipleContext], services: Services) -> TaskResult:
    """Wait for the level's end; then run the next one, or end."""
    context = stage.context
    children = [read_child(services, id) for id in context.execution_ids]
    status = outcome(children)
    if status is Status.RUNNING:
        return TaskResult(status)
    if context.start_failures:
        status = Status.TERMINAL
    noted: JsonMap = {
        "runMultiplePipelinesOutputs": [*context.run_multiple_pipelines_outputs, *map(_result_of, children)],
        "startFailures": [],
    }
    is_last = context.level_number >= len(context.order_of_executions) - 1
    if not is_last and (status is Status.SUCCEEDED or context.ignore_uncompleted):
        return redirect(noted | {"levelNumber": context.level_number + 1})
    if status is Status.SUCCEEDED:
        return succeeded(noted)
    errors = [
        *context.start_failures,
        *(line for child in children if child.status.is_halt for line in exception_of(child)["details"]["errors"]),
        *summary(status),
    ]
    noted["exception"] = {"details": {"errors": errors}}
    return TaskResult(status, noted, {"executionsList": noted["runMultiplePipelinesOutputs"]})


@task(name="saveOutputsForDetailsTask", implementing_class=f"{TASKS}.SaveOutputsForDetailsTask")
def save_outputs(stage: StageView[RunMultipleContext], now: EpochMillis) -> TaskResult:
    """Show how each execution ended."""
    return succeeded(outputs={"executionsList": stage.context.run_multiple_pipelines_outputs})


def _result_of(child: Child) -> JsonMap:
    document = child.document
    trigger = cast(JsonMap, document.get("trigger") or {})
    told: JsonMap = {
        "id": child.id,
        "executionIdentifier": trigger.get("executionIdentifier"),
        "startTime": document.get("startTime"),
        "endTime": document.get("endTime"),
        "status": child.status.value,
        "artifactCreated": _artifact_created(maps(document.get("stages")), trigger),
    }
    return {key: value for key, value in told.items() if value is not None}


def _artifact_created(stages: list[JsonMap], trigger: JsonMap) -> JsonMap | None:
    """Name the workload that the execution deployed last: the one that bears the parameter `app` in its name."""
    app = cast(JsonMap, trigger.get("parameters") or {}).get("app")
    deployed = [each for each in stages if app and _deploys(each, str(app))]
    if not deployed:
        return None
    last = max(deployed, key=lambda each: cast(int, each.get("endTime") or 0))
    outputs = cast(JsonMap, last.get("outputs") or {})
    created, manifests = maps(outputs.get("outputs.createdArtifacts")), maps(outputs.get("manifests"))
    if not created or not manifests:
        return None
    return {
        "account": cast(JsonMap, last.get("context") or {}).get("deploy.account.name"),
        "manifestName": f"{manifests[0].get('kind')} {created[0].get('name')}",
        "location": created[0].get("location"),
    }


def _deploys(stage: JsonMap, app: str) -> bool:
    if stage.get("type") not in _DEPLOYING or stage.get("status") == Status.SKIPPED:
        return False
    outputs = cast(JsonMap, stage.get("outputs") or {})
    manifests = maps(outputs.get("manifests") or outputs.get("outputs.manifests"))
    if not str(stage.get("name")).startswith("Deploy") or not manifests:
        return False
    metadata = cast(JsonMap, manifests[0].get("metadata") or {})
    return manifests[0].get("kind") in _WORKLOADS and app in str(metadata.get("name"))


def cancel_level(stage: StageView[RunMultipleContext], services: Services) -> TaskResult | None:
    """Cancel what runs now."""
    if has_started(stage):
        cancel_children(stage, services, [child_id(stage, each.yaml_identifier) for each in stage.context.level])
    return None


@stage("runMultiplePipelines")
class RunMultiplePipelines(Stage[RunMultipleContext]):
    """Run several pipelines in the order of their dependencies."""

    on_cancel = staticmethod(cancel_level)

    def tasks(self, stage: StageView[RunMultipleContext]):
        read_children(stage.context.yaml_config)
        yield parse_pipelines
        yield Loop((run_level, monitor_level))
        yield save_outputs

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Begin with the first level again."""
        return {key: value for key, value in context.items() if key not in _DERIVED}

    def waits_for(self, stage: StageView[RunMultipleContext]) -> WaitsFor | None:
        names = ", ".join(each.yaml_identifier for each in stage.context.level)
        return WaitsFor("child pipelines", f"the pipelines of this level have not ended: {names}", "their end")
