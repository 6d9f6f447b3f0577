"""The engine's core: every transition that is possible now, applied to an execution.

Pure: no I/O, no clock, no queue. The rules look at states, never at how they came about, so it does
no harm to advance an execution twice, late or after a crash. Orca's handlers (StartStage, RunTask,
CompleteStage …) are its methods; what was a message there is an entry of a work list here.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from kork.ids import new_ulid

from orca.execution.changes import Advance, RunTask, end_phase, execution_event, stage_event, updated_event
from orca.execution.failures import Failure, TimedOut, add_summaries, describe
from orca.execution.model import AFTER, BEFORE, EpochMillis, Execution, JsonMap, StageExecution, TaskExecution
from orca.execution.planning import NewId, plan_after, plan_before, plan_on_failure, plan_tasks
from orca.execution.rules import (
    execution_status,
    fails_parent,
    failure_status,
    in_loop_of,
    is_true,
    may_start,
    stage_status,
)
from orca.execution.status import Status
from orca.execution.timeouts import deadline_of
from orca.stages.catalogue import StageCatalogue, UnknownStageType
from orca.stages.definition import Evaluator, Stage, TaskSpec, Unanswered
from orca.stages.results import TaskResult
from orca.stages.view import StageView

_SYSTEM = "spinnaker"
_MIN_PAUSE_MS = 1
_MAX_REDIRECTS = 100
_REDIRECT_PAUSE_MS = 1000
_OPEN = (Status.RUNNING, Status.PAUSED)


def advance(
    execution: Execution,
    now: EpochMillis,
    catalogue: StageCatalogue,
    evaluator: Evaluator,
    *,
    new_id: NewId = new_ulid,
) -> Advance:
    """Apply to `execution`, in place, all transitions that are possible at `now` (epoch ms).

    Gives what changed and what has to be done outside: I/O tasks to run, cancellations to carry out,
    events to publish, the next due time. A NOT_STARTED execution is started: whether it has to wait
    its turn is for the caller to know.
    """
    return _Engine(execution, now, catalogue, evaluator, new_id).run()


def answer(
    execution: Execution,
    stage_id: str,
    task_id: str,
    attempt: int,
    outcome: TaskResult | BaseException,
    now: EpochMillis,
    catalogue: StageCatalogue,
    evaluator: Evaluator,
    *,
    new_id: NewId = new_ulid,
) -> Advance:
    """Apply what an I/O task answered, or how it failed, then advance.

    An answer to another attempt than the one under way is dropped.
    """
    engine = _Engine(execution, now, catalogue, evaluator, new_id)
    stage = execution.stage_by_id(stage_id)
    task = stage.task(task_id) if stage else None
    if stage and task and task.in_flight and task.attempt == attempt:
        engine.take_answer(stage, task, outcome)
    return engine.run()


class _Engine:
    """One advance of one execution."""

    def __init__(
        self,
        execution: Execution,
        now: EpochMillis,
        catalogue: StageCatalogue,
        evaluator: Evaluator,
        new_id: NewId,
    ) -> None:
        self.execution = execution
        self.now = now
        self.catalogue = catalogue
        self.evaluator = evaluator
        self.new_id = new_id
        self.out = Advance()
        self.work: deque[StageExecution] = deque()
        self.redirects = 0

    def run(self) -> Advance:
        if self.execution.status is Status.NOT_STARTED:
            self.begin()
        self.seed()
        self.drain()
        self.complete_execution()
        self.drain()
        self.out.wake_at = self.next_due()
        if self.out.changed:
            self.out.events.append(updated_event(self.execution))
        return self.out

    def drain(self) -> None:
        while self.work:
            self.step(self.work.popleft())

    @property
    def goes_on(self) -> bool:
        """New stages and tasks may start."""
        return self.execution.status is Status.RUNNING and not self.execution.canceled

    @property
    def is_over(self) -> bool:
        """What still runs has to be cancelled."""
        return self.execution.canceled or self.execution.status.is_complete

    def touch(self, stage: StageExecution) -> None:
        self.out.dirty.add(stage.id)

    # --- the execution

    def begin(self) -> None:
        execution = self.execution
        self.out.execution_changed = True
        expiry = execution.start_time_expiry
        if not execution.canceled and expiry is not None and self.now > expiry:
            execution.canceled, execution.canceled_by = True, _SYSTEM
            execution.cancellation_reason = "Could not begin execution before start time expiry"
        if execution.canceled:
            self.end_execution(Status.CANCELED)
            return
        execution.status, execution.start_time = Status.RUNNING, self.now
        self.out.events.append(execution_event(execution, "starting"))
        if not any(may_start(execution, stage) for stage in execution.top_level_stages()):
            self.end_execution(Status.TERMINAL)

    def seed(self) -> None:
        """Put on the work list whatever may move: what is open, and what may start."""
        execution, goes_on = self.execution, self.goes_on
        for stage in execution.stages:
            if stage.status in _OPEN or (goes_on and stage.parent_id is None and may_start(execution, stage)):
                self.work.append(stage)

    def complete_execution(self) -> None:
        """End the execution if its stages say so; what still runs then is wound down (1.10)."""
        execution = self.execution
        if execution.status.is_complete or execution.status is Status.NOT_STARTED:
            return
        status = execution_status(execution)
        if status is None:
            return
        self.end_execution(status)
        self.work.extend(stage for stage in execution.stages if stage.status in _OPEN)

    def end_execution(self, status: Status) -> None:
        execution = self.execution
        execution.status = status
        if execution.start_time is not None:
            execution.end_time = self.now
        self.out.execution_changed = True
        self.out.left_running = execution.pipeline_config_id is not None
        if status is Status.SUCCEEDED:
            for stage in execution.stages:
                if stage.context.pop("targetReferences", None) is not None:
                    self.touch(stage)
        self.out.events.append(execution_event(execution, "complete" if status is Status.SUCCEEDED else "failed"))

    # --- stages

    def step(self, stage: StageExecution) -> None:
        if stage.status is Status.NOT_STARTED:
            if self.goes_on and may_start(self.execution, stage) and self.parent_runs(stage):
                try:
                    self.start_stage(stage)
                except Unanswered:
                    stage.start_time = None
                    self.ask(stage)
        elif stage.status is Status.PAUSED:
            if self.is_over or self.execution.status is Status.RUNNING:
                self.unpause(stage)
                self.progress(stage)
        elif stage.status is Status.RUNNING:
            self.progress(stage)

    def parent_runs(self, stage: StageExecution) -> bool:
        parent = self.execution.parent(stage)
        return parent is None or parent.status is Status.RUNNING

    def start_stage(self, stage: StageExecution) -> None:
        """Evaluate, plan and start a stage, or skip it (1.11)."""
        expiry = stage.start_time_expiry
        if (expiry is not None and self.now > expiry) or not self.is_enabled(stage):
            self.end_stage(stage, Status.SKIPPED)
            return
        try:
            definition = self.definition_of(stage)
            stage.start_time = self.now
            if not stage.is_synthetic:
                self.evaluate(stage, definition)
            self.plan(stage, definition)
        except Unanswered:
            raise
        except Exception as error:
            self.planning_failed(stage, error)
            return
        stage.status = Status.RUNNING
        self.touch(stage)
        self.out.events.append(stage_event(self.execution, stage, "starting"))
        self.progress(stage)

    def plan(self, stage: StageExecution, definition: Stage[Any]) -> None:
        view = definition.view(self.execution, stage)
        if definition.can_skip(view):
            stage.context["canManuallySkip"] = True
        stage.tasks = plan_tasks(definition.tasks(view))
        for child in plan_before(self.execution, stage, definition, self.new_id):
            self.touch(child)
            child.context = self.evaluated(child)

    def planning_failed(self, stage: StageExecution, error: Exception) -> None:
        phase = "ConstructAfterStages" if isinstance(error, UnknownStageType) else "ConstructBeforeStages"
        stage.context["exception"] = describe(error, f"{stage.name}:{phase}", self.now).document
        stage.context["beforeStagePlanningFailed"] = True
        stage.tasks = []
        self.end_stage(stage, failure_status(self.execution, stage))

    def is_enabled(self, stage: StageExecution) -> bool:
        """Evaluate `stageEnabled`, one's own or the parent's; only pipelines have it."""
        holder: StageExecution | None = stage
        while holder is not None:
            condition: Any = holder.context.get("stageEnabled")
            if isinstance(condition, dict):
                return self.holds(holder, condition)  # pyright: ignore[reportUnknownArgumentType]
            holder = self.execution.parent(holder)
        return True

    def holds(self, stage: StageExecution, condition: dict[str, Any]) -> bool:
        kind, expression = str(condition.get("type", "")), condition.get("expression")
        if not self.execution.is_pipeline or kind.lower() != "expression":
            return True
        if expression is None or not str(expression).strip():
            return True
        return self.evaluator.condition(self.execution, stage, str(expression)).strip().lower() == "true"

    def progress(self, stage: StageExecution) -> None:
        """Take a RUNNING stage as far as it goes: stages before, tasks, stages after, its end."""
        before = self.execution.children(stage, BEFORE)
        if any(fails_parent(child) for child in before):
            self.complete_stage(stage)
        elif all(child.status.is_complete for child in before):
            if self.run_tasks(stage) and stage.status is Status.RUNNING:
                self.complete_stage(stage)
        elif self.goes_on:
            self.work.extend(child for child in before if may_start(self.execution, child))
        elif self.is_over and not any(child.status in _OPEN for child in before):
            self.end_stage(stage, Status.CANCELED)

    def complete_stage(self, stage: StageExecution) -> None:
        """Compute the stage's status; plan and start what comes after or on failure first (1.5, 1.9)."""
        try:
            status = self.status_after(stage)
        except Exception as error:
            stage.context["exception"] = describe(error, f"{stage.name}:ConstructAfterStages", self.now).document
            status = Status.TERMINAL
        if status is not None:
            self.end_stage(stage, status)

    def status_after(self, stage: StageExecution) -> Status | None:
        """The final status of a stage whose tasks have ended; `None` while synthetic stages have to run."""
        status = self.computed_status(stage)
        ended_well = not status.is_halt
        if ended_well and not self.is_over and stage.planned.isdisjoint({"after", "failure"}):
            self.plan_after(stage)
            status = self.computed_status(stage)
        after = self.execution.children(stage, AFTER)
        if "failure" in stage.planned or (ended_well and not any(fails_parent(child) for child in after)):
            startable = [child for child in after if may_start(self.execution, child)]
            if self.goes_on:
                self.work.extend(startable)
            if any(child.status in _OPEN for child in after) or (startable and not self.is_over):
                return None
        if status.is_failure and self.goes_on and "failure" not in stage.planned and self.plan_on_failure(stage):
            return None
        return self.settled(stage)

    def settled(self, stage: StageExecution) -> Status:
        status = self.computed_status(stage)
        if status is Status.NOT_STARTED:
            return Status.SKIPPED
        return status if status.is_complete else Status.CANCELED

    def computed_status(self, stage: StageExecution) -> Status:
        if is_true(stage.context.get("failOnFailedExpressions")) and stage.context.get("expressionEvaluationSummary"):
            return Status.TERMINAL
        return stage_status(self.execution, stage)

    def plan_after(self, stage: StageExecution) -> None:
        stage.planned.add("after")
        self.touch(stage)
        for child in plan_after(self.execution, stage, self.definition_of(stage), self.new_id):
            self.touch(child)
            child.context = self.evaluated(child)

    def plan_on_failure(self, stage: StageExecution) -> bool:
        added, removed = plan_on_failure(self.execution, stage, self.definition_of(stage), self.new_id)
        if not added:
            return False
        stage.planned.add("failure")
        self.touch(stage)
        gone = {child.id for child in removed}
        self.out.removed.extend(gone)
        self.out.dirty -= gone
        for child in (*added, *self.execution.children(stage)):
            self.touch(child)
        self.work.append(added[0])
        return True

    def end_stage(self, stage: StageExecution, status: Status) -> None:
        """Give a stage its final status, and let what depends on it know."""
        stage.status, stage.end_time = status, self.now
        add_summaries(stage)
        self.touch(stage)
        self.out.events.append(stage_event(self.execution, stage, end_phase(status)))
        parent = self.execution.parent(stage)
        if status.is_halt:
            self.cancel_effect(stage)
            if parent is None:
                self.complete_execution()
        elif parent is None or not fails_parent(stage):
            self.work.extend(self.execution.downstream(stage))
        if parent is not None:
            self.work.append(parent)

    def cancel_effect(self, stage: StageExecution) -> None:
        if self.catalogue.cleans_up(self.execution, stage):
            self.out.cancels.append(stage.id)

    def skip_by_hand(self, stage: StageExecution) -> None:
        """Skip the top-level stage of `stage` with all of its synthetic stages that haven't ended (1.11)."""
        top = self.execution.top_level(stage)
        for below in self.execution.descendants(top):
            if not below.status.is_complete:
                below.status, below.end_time = Status.SKIPPED, self.now
                self.touch(below)
        self.end_stage(top, Status.SKIPPED)

    # --- tasks

    def run_tasks(self, stage: StageExecution) -> bool:
        """Run the stage's tasks as far as they go now; say whether they have ended."""
        at = 0
        while at < len(stage.tasks):
            task = stage.tasks[at]
            if task.status.is_halt:
                return True
            if task.status.is_complete:
                at += 1
                continue
            if task.status is Status.NOT_STARTED:
                if not self.goes_on and not self.is_over:
                    return False
                self.start_task(stage, task)
                if task.status is Status.SKIPPED:
                    continue
            if not self.run_task(stage, task) or stage.status is not Status.RUNNING:
                return False
            if task.status is Status.REDIRECT:
                at = self.redirect(stage, task)
        return True

    def start_task(self, stage: StageExecution, task: TaskExecution) -> None:
        task.status, task.start_time, task.due_at = Status.RUNNING, self.now, self.now
        self.touch(stage)
        if not self.is_over and self.catalogue.policy.is_off(task.implementing_class):
            self.end_task(stage, task, Status.SKIPPED)

    def run_task(self, stage: StageExecution, task: TaskExecution) -> bool:
        """Run a RUNNING task if it is due; say whether it has ended."""
        if task.in_flight or task.status is not Status.RUNNING:
            return False
        if self.is_over:
            return self.end_task(stage, task, Status.CANCELED)
        if self.execution.status is Status.PAUSED:
            self.pause(stage, task)
            return False
        if is_true(stage.context.get("manualSkip")):
            self.end_task(stage, task, Status.SKIPPED)
            self.skip_by_hand(stage)
            return True
        try:
            definition, spec = self.definition_of(stage), self.catalogue.task(task.implementing_class)
            view = definition.view(self.execution, stage)
            deadline = deadline_of(self.execution, stage, task, spec, view, self.now)
            if deadline is not None and self.now >= deadline.at:
                return self.time_out(stage, task, spec, view, deadline.message)
            if task.due_at is not None and task.due_at > self.now:
                return False
            self.evaluate(stage, definition)
            inside = spec.pure or spec.quick
            result = inside(definition.view(self.execution, stage), self.now) if inside else None
            if result is not None:
                return self.apply(stage, task, result)
        except Unanswered:
            return self.ask(stage)
        except Exception as error:
            return self.fail(stage, task, error)
        task.attempt += 1
        task.in_flight = True
        self.touch(stage)
        self.out.runs.append(RunTask(stage.id, task.id, task.attempt))
        return False

    def take_answer(self, stage: StageExecution, task: TaskExecution, outcome: TaskResult | BaseException) -> None:
        """Apply the outcome of an I/O task; what has been skipped meanwhile stays so."""
        task.in_flight = False
        self.touch(stage)
        if task.status is not Status.RUNNING or stage.status.is_complete:
            return
        if isinstance(outcome, TaskResult):
            try:
                self.apply(stage, task, outcome)
            except Exception as error:
                self.fail(stage, task, error)
        else:
            self.fail(stage, task, outcome)
        if task.status is Status.REDIRECT:
            self.redirect(stage, task)

    def apply(self, stage: StageExecution, task: TaskExecution, result: TaskResult) -> bool:
        """Merge a task's result and act on its status; say whether the task has ended."""
        result.outputs = self.catalogue.policy.published(task.implementing_class, result.outputs)
        self.merge(stage, result)
        self.touch(stage)
        if result.scheduled is not None:
            stage.scheduled_time = result.scheduled
        if result.status is Status.RUNNING:
            due = self.now + self.backoff_of(stage, task) if result.due is None else result.due
            least = max(_MIN_PAUSE_MS, self.catalogue.policy.least_pause(stage.context))
            task.due_at = max(due, self.now + least)
            return False
        status = result.status
        if status in (Status.TERMINAL, Status.CANCELED):
            status = failure_status(self.execution, stage, status)
        return self.end_task(stage, task, status)

    def merge(self, stage: StageExecution, result: TaskResult | Failure) -> None:
        stage.context.update(result.context)
        stage.outputs.update({key: value for key, value in result.outputs.items() if key != "stageTimeoutMs"})

    def fail(self, stage: StageExecution, task: TaskExecution, error: BaseException) -> bool:
        """Note an exception; retry later when that may help, else end the task (1.15)."""
        failure = describe(error, task.name, self.now)
        self.merge(stage, failure)
        self.touch(stage)
        if failure.retry:
            task.due_at = self.now + self.backoff_of(stage, task)
            return False
        stage.context["exception"] = failure.document
        task.exception_details["exception"] = failure.document
        return self.end_task(stage, task, failure_status(self.execution, stage))

    def backoff_of(self, stage: StageExecution, task: TaskExecution) -> int:
        view = self.definition_of(stage).view(self.execution, stage)
        elapsed = self.now - (task.start_time or self.now)
        own = self.catalogue.task(task.implementing_class).backoff_ms(view, elapsed)
        return max(_MIN_PAUSE_MS, own, self.catalogue.policy.least_pause(stage.context))

    def time_out(
        self, stage: StageExecution, task: TaskExecution, spec: TaskSpec, view: StageView[Any], message: str
    ) -> bool:
        if self.definition_of(stage).cancels_on_timeout:
            self.cancel_effect(stage)
        if is_true(stage.context.get("markSuccessfulOnTimeout")):
            return self.end_task(stage, task, Status.SUCCEEDED)
        result = spec.on_timeout(view, self.now) if spec.on_timeout else None
        if result is not None:
            if result.status in (Status.TERMINAL, Status.FAILED_CONTINUE):
                return self.apply(stage, task, result)
            self.merge(stage, result)
        return self.fail(stage, task, TimedOut(message))

    def end_task(self, stage: StageExecution, task: TaskExecution, status: Status) -> bool:
        task.status, task.end_time, task.due_at = status, self.now, None
        self.touch(stage)
        return True

    def redirect(self, stage: StageExecution, task: TaskExecution) -> int:
        """Begin the loop around `task` again; gives where it begins."""
        looped = in_loop_of(stage.tasks)
        if not looped:
            self.fail(stage, task, ValueError(f"The task {task.name} is in no loop that it could begin again."))
            return 0
        for each in looped:
            each.status, each.start_time, each.end_time, each.due_at = Status.NOT_STARTED, None, None, None
        self.redirects += 1
        if self.redirects > _MAX_REDIRECTS:
            self.start_task(stage, looped[0])
            looped[0].due_at = self.now + _REDIRECT_PAUSE_MS
        return stage.tasks.index(looped[0])

    def pause(self, stage: StageExecution, task: TaskExecution) -> None:
        """Pause a task, its stage and the stages above."""
        task.status = Status.PAUSED
        holder: StageExecution | None = stage
        while holder is not None:
            if holder.status is Status.RUNNING:
                holder.status = Status.PAUSED
                self.touch(holder)
            holder = self.execution.parent(holder)

    def unpause(self, stage: StageExecution) -> None:
        stage.status = Status.RUNNING
        self.touch(stage)
        for task in stage.tasks:
            if task.status is Status.PAUSED:
                task.status, task.due_at = Status.RUNNING, self.now

    # --- what the rules ask of the world

    def definition_of(self, stage: StageExecution) -> Stage[Any]:
        return self.catalogue.definition_of(self.execution, stage)

    def evaluate(self, stage: StageExecution, definition: Stage[Any]) -> None:
        written = stage.context
        evaluated = self.evaluator.context(self.execution, stage, definition.raw_keys(written))
        if evaluated is not written and self.execution.spel_evaluator == "v4":
            evaluated = definition.note_sources(written, evaluated)
        stage.context = evaluated

    def evaluated(self, stage: StageExecution) -> JsonMap:
        try:
            raw = self.definition_of(stage).raw_keys(stage.context)
        except UnknownStageType:
            raw = ()
        try:
            return self.evaluator.context(self.execution, stage, raw)
        except Unanswered:
            return stage.context  # Its tasks will ask.

    def ask(self, stage: StageExecution) -> bool:
        """Have a worker ask what the stage's expressions need to know; until then the stage waits."""
        if stage.id not in self.out.asks:
            self.out.asks.append(stage.id)
        return False

    def next_due(self) -> EpochMillis | None:
        """When something will be due: the next poll or deadline of a RUNNING task (epoch ms)."""
        if self.execution.status is not Status.RUNNING:
            return None
        return min(
            (
                due
                for stage in self.execution.stages
                if stage.status is Status.RUNNING
                for task in stage.tasks
                if task.status is Status.RUNNING and not task.in_flight
                for due in self.dues_of(stage, task)
            ),
            default=None,
        )

    def dues_of(self, stage: StageExecution, task: TaskExecution) -> Iterator[EpochMillis]:
        if task.due_at is not None and stage.id not in self.out.asks:
            yield task.due_at
        try:
            definition, spec = self.definition_of(stage), self.catalogue.task(task.implementing_class)
            view = definition.view(self.execution, stage)
            deadline = deadline_of(self.execution, stage, task, spec, view, self.now)
        except Exception:
            return
        if deadline is not None:
            yield deadline.at
