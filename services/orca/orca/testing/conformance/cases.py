"""Reading conformance cases."""

from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from orca.testing.conformance import matching

JsonObject = dict[str, Any]
MAIN = "main"


class InvalidCase(ValueError):
    """A case that can't be understood; the message says where and why."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Step(_Model):
    """One thing to do, once all executions named in `when` are as said there.

    `start` names a new execution of `pipeline` (or of the jobs in `ops`); `find` names the one that
    someone else has started; `do` is a request of orca's API.
    """

    when: dict[str, JsonObject] = Field(default_factory=dict[str, JsonObject])
    start: str | None = None
    pipeline: JsonObject | None = None
    ops: Any = None
    find: str | None = None
    started_by: str | None = None
    of_pipeline: str | None = None
    do: str | None = None
    body: Any = None
    user: str = "alice"
    answers: int = 200
    answer: Any = None

    @model_validator(mode="after")
    def _one_action(self) -> "Step":
        actions = [each for each in (self.start, self.find, self.do) if each is not None]
        if len(actions) > 1 or not (actions or self.when):
            raise ValueError("a step has one of start, find and do, or a when alone")
        if (self.start is None) != (self.pipeline is None and self.ops is None):
            raise ValueError("start needs a pipeline or ops, and only start has them")
        if (self.find is None) != (self.started_by is None and self.of_pipeline is None):
            raise ValueError("find needs started_by or of_pipeline, and only find has them")
        return self


class Reply(_Model):
    """What the case's server answers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = Field(default_factory=dict[str, str])


def _steps() -> list[Step]:
    return []


class Case(_Model):
    """One rule: executions, what is done to them, and how they have to end."""

    name: str
    rule: str
    saved: list[JsonObject] = Field(default_factory=list[JsonObject])
    server: dict[str, list[Reply]] = Field(default_factory=dict[str, list[Reply]])
    pipeline: JsonObject | None = None
    ops: Any = None
    steps: list[Step] = Field(default_factory=_steps)
    expect: dict[str, JsonObject] = Field(default_factory=dict[str, JsonObject])
    requests: dict[str, list[JsonObject]] = Field(default_factory=dict[str, list[JsonObject]])

    @property
    def section(self) -> str:
        """The chapter of the rules that the case is about."""
        return self.rule.split(" ", 1)[0]

    def all_steps(self) -> list[Step]:
        """Give the steps, the start of `main` first when the case has a pipeline of its own."""
        if self.pipeline is None and self.ops is None:
            return self.steps
        return [Step(start=MAIN, pipeline=self.pipeline, ops=self.ops), *self.steps]

    @model_validator(mode="after")
    def _expects_something(self) -> "Case":
        names = {name for step in self.all_steps() for name in (step.start, step.find) if name}
        named = {*self.expect, *(name for step in self.steps for name in step.when)}
        if not (self.expect or self.requests or any(step.answer is not None for step in self.steps)):
            raise ValueError("a case that expects nothing proves nothing")
        if named - names:
            raise ValueError(f"nothing starts {', '.join(sorted(named - names))}")
        for expected in (*self.expect.values(), *(each for step in self.steps for each in step.when.values())):
            check_expectation(expected)
        return self


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TASK = _fields(
    "id implementingClass name startTime endTime status stageStart stageEnd loopStart loopEnd taskExceptionDetails"
)
_STAGE = _fields(
    "id refId type name startTime endTime startTimeExpiry status context outputs tasks syntheticStageOwner"
    " parentStageId requisiteStageRefIds scheduledTime lastModified additionalMetricTags"
)
_EXECUTION = _fields(
    "type id rootId application name buildTime canceled canceledBy cancellationReason limitConcurrent"
    " maxConcurrentExecutions keepWaitingPipelines stages startTime endTime startTimeExpiry status authentication"
    " paused origin trigger description pipelineConfigId source notifications initialConfig systemNotifications"
    " spelEvaluator templateVariables partition additionalHeaders"
)
# What a case may ask beyond the fields of an execution: all refIds in order, and which stage ended before which began.
_ASKED = frozenset({"refIds", "order"})


def check_expectation(expected: JsonObject) -> None:
    """Refuse a field that no execution, stage or task has: it could be absent by a slip of the pen only."""
    _known(expected, _EXECUTION | _ASKED, "an execution")
    for ref, stage in cast(JsonObject, expected.get("stages") or {}).items():
        if isinstance(stage, dict):
            _known(cast(JsonObject, stage), _STAGE, f"stage {ref}")
            tasks: Any = cast(JsonObject, stage).get("tasks")
            for task in cast(list[Any], tasks) if isinstance(tasks, list) else []:
                if isinstance(task, dict):
                    _known(cast(JsonObject, task), _TASK, f"a task of stage {ref}")


def _known(expected: JsonObject, fields: frozenset[str], what: str) -> None:
    unknown = sorted(key for key in expected if key not in fields)
    if unknown:
        raise ValueError(f"{what} has no field {', '.join(unknown)}")


def read_case(text: str, name: str) -> Case:
    """Read one case. Raises `InvalidCase`."""
    try:
        document = _yaml().load(text)
        return Case.model_validate({"name": name, **document})
    except (YAMLError, ValidationError, TypeError) as error:
        raise InvalidCase(f"{name}: {error}") from error


def load_cases(folder: Path) -> list[Case]:
    """Read all cases below a folder; a case is named after its file."""
    cases = [read_case(path.read_text(), path.stem) for path in sorted(folder.rglob("*.yaml"))]
    names = [case.name for case in cases]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InvalidCase(f"more than one case is named {', '.join(doubled)}")
    return cases


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    # The loader's own class: tags of one reader must not be those of every other.
    yaml.Constructor = type("CaseConstructor", (yaml.Constructor,), {})
    constructor: Any = yaml.constructor
    constructor.add_constructor("!like", lambda loader, node: matching.like(loader.construct_scalar(node)))
    constructor.add_constructor("!has", lambda loader, node: matching.has(loader.construct_sequence(node, deep=True)))
    constructor.add_constructor("!not", lambda loader, node: matching.negated(loader.construct_scalar(node)))
    return yaml
