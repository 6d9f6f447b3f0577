"""The language in which a stage type is declared: its context, its tasks in order, its synthetic stages.

A stage type says what to do; the engine owns queues, sessions, retries, timeouts and cancellation.
See `orca/stages/wait.py` for the smallest one.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast, get_args

from kork.identity import Identity

from orca.execution.model import EpochMillis, Execution, JsonMap, StageExecution
from orca.stages.results import (
    TaskFailure,
    TaskResult,
    WaitsFor,
    canceled,
    failed,
    failed_continue,
    redirect,
    running,
    skipped,
    succeeded,
    terminal,
)
from orca.stages.view import C, Calls, Services, StageContext, StageView

__all__ = [
    "C",
    "Calls",
    "Evaluator",
    "Loop",
    "Services",
    "Stage",
    "StageContext",
    "StageView",
    "Synthetic",
    "TaskFailure",
    "TaskResult",
    "TaskSpec",
    "Unanswered",
    "WaitsFor",
    "canceled",
    "failed",
    "failed_continue",
    "io_task",
    "parallel",
    "redirect",
    "running",
    "sequence",
    "skipped",
    "stage",
    "succeeded",
    "task",
    "terminal",
]

Millis = int
ContextModel = type[StageContext]
Backoff = Millis | Callable[[StageView[Any], Millis], Millis]
Timeout = Millis | Callable[[StageView[Any]], Millis] | None
PureTask = Callable[[StageView[Any], EpochMillis], TaskResult]
QuickAnswer = Callable[[StageView[Any], EpochMillis], TaskResult | None]
IoTask = Callable[[StageView[Any], Services], TaskResult]
OnTimeout = Callable[[StageView[Any], EpochMillis], TaskResult | None]
OnCancel = Callable[[StageView[Any], Services], TaskResult | None]

_DEFAULT_BACKOFF: Millis = 1000


class Unanswered(Exception):
    """An expression calls a function that asks others; nobody has done so yet for this advance.

    The engine leaves the stage where it is and has a worker ask (`Advance.asks`), outside of any lock; with
    what the others answered it comes by again.
    """


class Evaluator(Protocol):
    """How the engine has expressions evaluated. It never raises for a wrong expression, only `Unanswered`."""

    def context(self, execution: Execution, stage: StageExecution, raw: Collection[str]) -> JsonMap:
        """Give the stage's context with its expressions evaluated; keys in `raw` stay as written.

        Failures are told in the key `expressionEvaluationSummary`; what failed keeps its raw text.
        """
        ...

    def condition(self, execution: Execution, stage: StageExecution, expression: str) -> str:
        """Evaluate `expression` (written without `${}`) for a stage; give its result as text.

        What can't be evaluated gives any text that is neither "true" nor "false".
        """
        ...


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as a stage type declares it. Make one with `@task` or `@io_task`.

    `pure` runs inside the engine's transaction and may do no I/O; `io` is claimed by a worker, runs
    outside any lock, and may run again after a crash: what it calls must bear that.
    `overridable`: the nearest `stageTimeoutMs` replaces `timeout`. `quick` belongs to an I/O task that seldom
    needs I/O: it is asked first, as a pure task is, and only where it gives `None` does a worker run `io`.
    """

    name: str
    implementing_class: str
    pure: PureTask | None = None
    io: IoTask | None = None
    backoff: Backoff = _DEFAULT_BACKOFF
    timeout: Timeout = None
    overridable: bool = False
    on_timeout: OnTimeout | None = None
    quick: QuickAnswer | None = None

    def named(self, name: str) -> "TaskSpec":
        """Give the same task under another name, as Orca shows it in another stage."""
        return replace(self, name=name)

    def backoff_ms(self, view: StageView[Any], elapsed: Millis) -> Millis:
        """Say how long to wait before the next poll, in ms."""
        own = self.backoff(view, elapsed) if callable(self.backoff) else self.backoff
        asked = view.raw.get("backoffPeriodMs")
        return max(own, asked) if isinstance(asked, int) else own

    def timeout_ms(self, view: StageView[Any]) -> Millis | None:
        """Say how long the task may take in all, in ms; `None` for as long as it likes."""
        return self.timeout(view) if callable(self.timeout) else self.timeout


def task(
    *,
    name: str,
    implementing_class: str,
    backoff: Backoff = _DEFAULT_BACKOFF,
    timeout: Timeout = None,
    overridable: bool = False,
    on_timeout: OnTimeout | None = None,
) -> Callable[[PureTask], TaskSpec]:
    """Declare a task without I/O: `(stage, now) -> TaskResult`. Times in ms."""

    def declare(function: PureTask) -> TaskSpec:
        return TaskSpec(name, implementing_class, function, None, backoff, timeout, overridable, on_timeout)

    return declare


def io_task(
    *,
    name: str,
    implementing_class: str,
    backoff: Backoff = _DEFAULT_BACKOFF,
    timeout: Timeout = None,
    overridable: bool = False,
    on_timeout: OnTimeout | None = None,
    quick: QuickAnswer | None = None,
) -> Callable[[IoTask], TaskSpec]:
    """Declare a task that calls others: `(stage, services) -> TaskResult`. Times in ms."""

    def declare(function: IoTask) -> TaskSpec:
        return TaskSpec(name, implementing_class, None, function, backoff, timeout, overridable, on_timeout, quick)

    return declare


@dataclass(frozen=True, slots=True)
class Loop:
    """Tasks that run again from the first when one of them answers `redirect()`."""

    tasks: tuple[TaskSpec, ...]


def _before() -> list["Synthetic"]:
    return []


@dataclass(slots=True, eq=False)
class Synthetic:
    """A stage to be made for another one; it waits for its siblings in `requires`."""

    type: str
    name: str
    context: JsonMap
    requires: list["Synthetic"] = field(default_factory=_before)


def sequence(*stages: Synthetic) -> list[Synthetic]:
    """Let each stage wait for the one before it."""
    for first, second in pairwise(stages):
        second.requires.append(first)
    return list(stages)


def parallel(*stages: Synthetic) -> list[Synthetic]:
    """Let all stages start together."""
    return list(stages)


class Stage(Generic[C]):
    """A stage type. Subclass it with the context's model and decorate it with `@stage(type)`.

    Every method is pure and sees the stage through a view. An instance holds no state.
    """

    type: ClassVar[str] = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    model: ClassVar[ContextModel] = StageContext
    uses: ClassVar[tuple[TaskSpec, ...]] = ()
    on_cancel: ClassVar[OnCancel | None] = None
    cancels_on_timeout: ClassVar[bool] = False

    def tasks(self, stage: StageView[C]) -> Iterable[TaskSpec | Loop]:
        """Give the tasks in order; asked once, when the stage starts."""
        return ()

    def before(self, stage: StageView[C]) -> Iterable[Synthetic]:
        """Give the stages that run before the tasks; asked when the stage starts."""
        return ()

    def after(self, stage: StageView[C]) -> Iterable[Synthetic]:
        """Give the stages that run after the tasks; asked when the tasks have ended well."""
        return ()

    def on_failure(self, stage: StageView[C]) -> Iterable[Synthetic]:
        """Give the stages that run, one after the other, when the stage has failed."""
        return ()

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """Name the context keys whose expressions the stage evaluates itself, or not at all."""
        return ()

    def note_sources(self, written: JsonMap, evaluated: JsonMap) -> JsonMap:
        """Give the evaluated context, with what the type wants to keep of the expressions as they were written."""
        return evaluated

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Give the context with which a restarted stage begins."""
        return context

    def review_change(self, stage: StageView[C], change: JsonMap, user: Identity) -> JsonMap:
        """Give what a person's change puts into the context (a judgment counts only from who may judge)."""
        return change

    def can_skip(self, stage: StageView[C]) -> bool:
        """Say whether a user may skip the stage by hand."""
        return False

    def waits_for(self, stage: StageView[C]) -> WaitsFor | None:
        """Say what a running stage waits for, where the type knows it better than "its task polls"."""
        return None

    def view(self, execution: Execution, stage: StageExecution) -> StageView[C]:
        """Make the view through which this type sees `stage`."""
        return StageView(execution, stage, cast(type[C], self.model))


S = TypeVar("S", bound=type[Stage[Any]])


def stage(type_name: str, *, aliases: Iterable[str] = ()) -> Callable[[S], S]:
    """Name the stage type; the context's model is read from `Stage[Model]`."""

    def declare(cls: S) -> S:
        cls.type = type_name
        cls.aliases = tuple(aliases)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, StageContext):
                    cls.model = argument
        return cls

    return declare
