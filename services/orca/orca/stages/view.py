"""What a stage type sees of its stage, and the services that its I/O tasks may call."""

from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

from kork.identity import Identity
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from orca.execution.authentication import identity_of
from orca.execution.model import EpochMillis, Execution, JsonMap, StageExecution
from orca.stages.results import TaskFailure


class StageContext(BaseModel):
    """What a stage's author may write. Keys are camelCase; further keys are kept, and found in `raw`."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, alias_generator=to_camel)


C = TypeVar("C", bound=StageContext)


class StageView(Generic[C]):
    """A read-only view on one stage of an execution.

    Change nothing through it: a task answers with a `TaskResult`, the engine merges it.
    """

    __slots__ = ("_model", "_parsed", "execution", "stage")

    def __init__(self, execution: Execution, stage: StageExecution, model: type[C]) -> None:
        self.execution = execution
        self.stage = stage
        self._model = model
        self._parsed: C | None = None

    @property
    def context(self) -> C:
        """The context, parsed. Raises `TaskFailure` that names each wrong field."""
        if self._parsed is None:
            try:
                self._parsed = self._model.model_validate(self.stage.context)
            except ValidationError as error:
                faults = [
                    f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']} (got {fault['input']!r:.200})"
                    for fault in error.errors()
                ]
                raise TaskFailure(
                    *faults,
                    error=f"The {self.stage.type} stage '{self.stage.name}' is not configured right",
                    exception_type="ConfigurationException",
                ) from error
        return self._parsed

    @property
    def raw(self) -> JsonMap:
        """The context as it is stored."""
        return self.stage.context

    def get(self, key: str, default: Any = None) -> Any:
        """Find `key` in the context, else in the outputs of the nearest ancestor that has it."""
        return self.execution.lookup(self.stage, key, default)

    def get_all(self, key: str) -> list[Any]:
        """Find every value of `key`: own context, ancestors' outputs, the trigger's artifacts."""
        return self.execution.lookup_all(self.stage, key)

    @property
    def id(self) -> str:
        return self.stage.id

    @property
    def ref_id(self) -> str:
        return self.stage.ref_id

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def type(self) -> str:
        return self.stage.type

    @property
    def outputs(self) -> JsonMap:
        return self.stage.outputs

    @property
    def trigger(self) -> JsonMap:
        return self.execution.trigger

    @property
    def application(self) -> str:
        return self.execution.application

    @property
    def started_at(self) -> EpochMillis:
        """When the stage started (epoch ms); 0 before that."""
        return self.stage.start_time or 0

    @property
    def parent(self) -> "StageView[StageContext] | None":
        """The stage for which this synthetic one was made."""
        above = self.execution.parent(self.stage)
        return StageView(self.execution, above, StageContext) if above else None

    @property
    def last_modified_user(self) -> str | None:
        """Who changed the stage last (a judge, usually)."""
        changed = self.stage.last_modified
        return cast(str | None, changed.get("user")) if changed else None

    @property
    def identity(self) -> Identity:
        """On whose behalf the stage acts (spec 1.16)."""
        return identity_of(self.execution, self.stage)


class Calls(Protocol):
    """A client of one service: parsed JSON out, `UpstreamError` for an error status or no answer."""

    def get(self, path: str, *, params: Any = None, raw: bool = False, **options: Any) -> Any: ...
    def post(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any: ...
    def put(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any: ...
    def patch(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any: ...
    def delete(self, path: str, *, raw: bool = False, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What I/O tasks may use. Calls carry the stage's identity.

    `orca` is our own API, by which a stage starts, reads and cancels other executions; `http` is the
    plain client for addresses that users write (webhooks); `settings` are orca's. `rosco` is there when it is enabled.
    """

    front50: Calls
    clouddriver: Calls
    echo: Calls
    orca: Calls
    http: Any
    settings: Any
    rosco: Calls | None = field(default=None, kw_only=True)

    def now(self) -> EpochMillis:
        """Say the time now, in epoch ms."""
        from kork.clock import now_ms

        return now_ms()
