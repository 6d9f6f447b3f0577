"""Runs executions to their end in virtual time: what the worker does, without a store or a queue."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kork.identity import identity_context

from orca.execution.advance import advance, answer
from orca.execution.changes import Advance
from orca.execution.model import EpochMillis, Execution
from orca.expressions import PipelineExpressions
from orca.stages.catalogue import StageCatalogue
from orca.stages.results import TaskResult
from orca.stages.view import Services

_START = 1_795_487_438_000
_MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class VirtualServices(Services):
    """Services whose clock is the driver's."""

    clock: Callable[[], EpochMillis]

    def now(self) -> EpochMillis:
        """Say the driver's time."""
        return self.clock()


def _unused(name: str) -> Any:
    class Unused:
        def __getattr__(self, method: str) -> Any:
            raise AssertionError(f"{name}.{method} was called, and this test has no {name}")

    return Unused()


@dataclass(slots=True)
class Driver:
    """Drives executions. Waiting costs nothing: the clock jumps to what is due next."""

    catalogue: StageCatalogue = field(default_factory=StageCatalogue.load)
    front50: Any = field(default_factory=lambda: _unused("front50"))
    clouddriver: Any = field(default_factory=lambda: _unused("clouddriver"))
    echo: Any = field(default_factory=lambda: _unused("echo"))
    orca: Any = field(default_factory=lambda: _unused("orca"))
    http: Any = field(default_factory=lambda: _unused("http"))
    rosco: Any = None
    settings: Any = None
    now: EpochMillis = _START
    expressions: PipelineExpressions = field(default_factory=PipelineExpressions)

    def services(self) -> Services:
        """Give what the I/O tasks get."""
        return VirtualServices(
            self.front50,
            self.clouddriver,
            self.echo,
            self.orca,
            self.http,
            self.settings,
            lambda: self.now,
            rosco=self.rosco,
        )

    def run(self, execution: Execution, until: Callable[[Execution], bool] | None = None) -> Execution:
        """Run to the end, or until a condition holds (asked before each jump of the clock)."""
        for _ in range(_MAX_STEPS):
            out = self.advance(execution)
            if execution.status.is_complete or (until is not None and until(execution)):
                return execution
            if out.wake_at is None:
                return execution
            self.now = max(self.now + 1, out.wake_at)
        raise AssertionError(f"the execution did not end: {[(s.ref_id, s.status) for s in execution.stages]}")

    def advance(self, execution: Execution) -> Advance:
        """Apply all that is possible now, I/O tasks and cancellations included."""
        out = advance(execution, self.now, self.catalogue, self.expressions)
        self._cancel(execution, out)
        waiting = list(out.runs)
        while waiting:
            run = waiting.pop(0)
            outcome = self._outcome(execution, run.stage_id, run.task_id)
            out = answer(
                execution, run.stage_id, run.task_id, run.attempt, outcome, self.now, self.catalogue, self.expressions
            )
            self._cancel(execution, out)
            waiting += out.runs
        return out

    def _outcome(self, execution: Execution, stage_id: str, task_id: str) -> TaskResult | BaseException:
        stage = execution.stage_by_id(stage_id)
        task = stage.task(task_id) if stage else None
        assert stage is not None
        assert task is not None
        view = self.catalogue.type_of(stage).view(execution, stage)
        spec = self.catalogue.task(task.implementing_class)
        assert spec.io is not None
        try:
            with identity_context(view.identity):
                return spec.io(view, self.services())
        except Exception as error:
            return error

    def _cancel(self, execution: Execution, out: Advance) -> None:
        for stage_id in out.cancels:
            stage = execution.stage_by_id(stage_id)
            assert stage is not None
            definition = self.catalogue.type_of(stage)
            on_cancel = type(definition).on_cancel
            if on_cancel is not None:
                on_cancel(definition.view(execution, stage), self.services())
