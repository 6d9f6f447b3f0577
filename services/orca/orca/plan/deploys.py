"""What deployManifest stages would do to their clusters: clouddriver is asked, and changes nothing.

The stage's own tasks say what they would send; only the submission is caught, and sent to be planned instead.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from kork.errors import SpinnakerError, UpstreamError
from kork.identity import identity_context

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.plan.foresight import Foresight
from orca.plan.stages import PlannedStage
from orca.stages.definition import Services, Stage, TaskFailure, TaskSpec
from orca.stages.deploy_manifest import deploy, resolve_source
from orca.stages.operations import maps

TYPE = "deployManifest"
_PLAN = "/kubernetes/manifests/plan"
_SENT = (
    "account",
    "manifests",
    "manifest",
    "manifestArtifactId",
    "manifestArtifact",
    "manifestArtifactAccount",
    "namespaceOverride",
    "moniker",
    "requiredArtifactIds",
    "requiredArtifacts",
    "trafficManagement",
    "labelSelectors",
    "versioned",
    "services",
    "enableTraffic",
    "skipSpecTemplateLabels",
)


class DeployTrials:
    """Tries the deploys of one plan."""

    def __init__(self, execution: Execution, foresight: Foresight, services: Services) -> None:
        self._execution = execution
        self._foresight = foresight
        self._services = services
        self._made: dict[str, set[str]] = {}

    def of(self, verdict: PlannedStage, definition: Stage[Any]) -> JsonMap:
        """Say what a deploy would do: clouddriver's plan, or `{"unknown": why}`, or `{"errors": [why]}`."""
        unsettled = [text for key in _SENT for text in verdict.evaluated.texts if _is_at(text.path, key)]
        waiting = next((text for text in unsettled if text.outcome == "unknown"), None)
        if waiting is not None:
            return {"unknown": f"{waiting.path} depends on {waiting.depends_on}"}
        producer = self._producer(verdict.stage)
        if producer is not None:
            return {"unknown": f"an artifact that it uses is made by {producer}"}
        try:
            return self._tried(verdict.stage, definition)
        except TaskFailure as error:
            return {"errors": error.errors or [error.error]}
        except UpstreamError as error:
            return {"errors": [error.message]}
        except SpinnakerError as error:
            return {"errors": [error.message, *(error.errors or [])]}

    def _tried(self, stage: StageExecution, definition: Stage[Any]) -> JsonMap:
        caught = _Caught(self._services.clouddriver)
        services = replace(self._services, clouddriver=caught)
        view = definition.view(self._execution, stage)
        with identity_context(view.identity):
            resolved = _io(resolve_source)(view, services)
            going = replace(stage, context=stage.context | resolved.context, start_time=0)
            _io(deploy)(definition.view(self._execution, going), services)
            description = _description_in(caught.body)
            planned = self._services.clouddriver.post(_PLAN, json=description)
        if not isinstance(planned, dict):
            return {"errors": [f"clouddriver answered {planned!r:.200}, not with a plan."]}
        self._made[stage.id] = _made_by(description)
        return self._with_earlier(stage, cast(JsonMap, planned))

    def _with_earlier(self, stage: StageExecution, planned: JsonMap) -> JsonMap:
        """Let nothing count as refused that only lacks what a stage before this one makes."""
        there: dict[str, str] = {}
        for before in self._foresight.before(stage):
            there |= dict.fromkeys(self._made.get(before.stage.id, ()), before.words)
        manifests = [_awaiting(each, there) for each in maps(planned.get("manifests"))]
        return planned | {"manifests": manifests}

    def _producer(self, stage: StageExecution) -> str | None:
        """Find the stage before that has yet to bind an artifact that this one uses."""
        context = stage.context
        wanted = {context.get("manifestArtifactId"), *cast(list[Any], context.get("requiredArtifactIds") or [])}
        wanted |= {each.get("expectedArtifactId") for each in maps(context.get("requiredArtifacts"))}
        for before in self._foresight.before(stage):
            made = {each.get("id") for each in maps(before.stage.context.get("expectedArtifacts"))}
            if not before.skipped and (made & wanted) - {None}:
                return before.words
        return None


class _Caught:
    """Clouddriver for a task that is only tried: it may read and fetch; what it would submit is kept."""

    def __init__(self, clouddriver: Any) -> None:
        self._clouddriver = clouddriver
        self.body: Any = None

    def get(self, path: str, **options: Any) -> Any:
        """Read."""
        return self._clouddriver.get(path, **options)

    def put(self, path: str, **options: Any) -> Any:
        """Fetch an artifact."""
        if path != "/artifacts/fetch":
            raise TaskFailure(f"PUT {path} is not done by a plan.")
        return self._clouddriver.put(path, **options)

    def post(self, path: str, *, json: Any = None, **options: Any) -> Any:
        """Keep what would be submitted."""
        self.body = json
        return {"id": "planned"}


def _io(spec: TaskSpec) -> Callable[[Any, Services], Any]:
    assert spec.io is not None
    return spec.io


def _description_in(body: Any) -> JsonMap:
    for operation in maps(body):
        for description in operation.values():
            if isinstance(description, dict):
                return cast(JsonMap, description)
    raise TaskFailure("The stage would deploy nothing.")


def _made_by(description: JsonMap) -> set[str]:
    """Name the namespaces and the kinds that a deploy makes."""
    made: set[str] = set()
    for manifest in maps(description.get("manifests")):
        match manifest.get("kind"):
            case "Namespace":
                made.add(f"namespace {_inside(manifest, 'metadata', 'name')}")
            case "CustomResourceDefinition":
                made.add(f"kind {_inside(manifest, 'spec', 'names', 'kind')}")
            case _:
                pass
    return made


def _inside(value: Any, *path: str) -> Any:
    for key in path:
        value = cast(JsonMap, value).get(key) if isinstance(value, dict) else None
    return value


def _awaiting(manifest: JsonMap, there: dict[str, str]) -> JsonMap:
    lacks = {"NotFound": f"namespace {manifest.get('namespace')}", "NoSuchKind": f"kind {manifest.get('kind')}"}
    missing = lacks.get(str(manifest.get("reason")), "")
    if manifest.get("action") != "refused" or missing not in there:
        return manifest
    return manifest | {"action": "unknown", "message": f"It can be tried once {there[missing]} has made the {missing}."}


def _is_at(path: str, key: str) -> bool:
    return path == key or path.startswith((f"{key}.", f"{key}["))
