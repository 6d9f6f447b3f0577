"""The engine against a slow, obvious model of the rules, on random graphs.

The model knows no transitions. It says when each stage would begin and end if nothing stopped the execution
(a recursion over the graph), finds the moment at which the execution is over, and cuts everything there. The
engine, driven through virtual time, has to agree on every status and every time. Two things never happen at one
moment: each task's duration has a bit of its own.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orca.execution.advance import advance, answer
from orca.execution.model import EpochMillis, Execution, JsonMap, StageExecution
from orca.execution.operations import cancel, pause, restart, resume
from orca.execution.status import Status
from orca.stages.catalogue import StageCatalogue
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    Synthetic,
    TaskFailure,
    TaskResult,
    io_task,
    parallel,
    sequence,
    task,
)
from orca.stages.definition import stage as stage_type
from orca.testing import NoExpressions, pipeline, stage
from pydantic import Field

START = 1_000
Task = tuple[int, str]


@dataclass(frozen=True)
class Spec:
    """What a stage does: its tasks (how long, how they end), what surrounds it, what its failure means."""

    name: str
    tasks: tuple[Task, ...] = ()
    again: tuple[Task, ...] = ()
    before: tuple["Spec", ...] = ()
    after: tuple["Spec", ...] = ()
    failure: tuple["Spec", ...] = ()
    chained: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    enabled: bool = True
    io: bool = False
    requires: tuple[str, ...] = ()

    def context(self) -> JsonMap:
        """The stage's context, as an author would write it."""
        enabled = {} if self.enabled else {"stageEnabled": {"type": "expression", "expression": "false"}}
        surroundings = {
            kind: [{"name": each.name, "context": each.context()} for each in listed]
            for kind, listed in (("before", self.before), ("behind", self.after), ("failure", self.failure))
        }
        own: JsonMap = {"todo": list(self.tasks), "again": list(self.again), "chained": self.chained, "io": self.io}
        return own | surroundings | dict(self.options) | enabled


# --- the model


@dataclass(eq=False)
class Node:
    """A stage on the time line: when it was planned, began, ended, how; and when it was taken out.

    `open_question`: several of its stages were cancelled at once, and the first of them decided its status.
    """

    spec: Spec
    planned: int
    began: int | None = None
    end: int | None = None
    status: Status = Status.NOT_STARTED
    tasks: list[tuple[int, Status]] = field(default_factory=list[tuple[int, Status]])
    children: list["Node"] = field(default_factory=list["Node"])
    removed: int | None = None
    open_question: bool = False

    def status_at(self, t: int) -> Status:
        if self.end is not None and self.end <= t:
            return self.status
        return Status.RUNNING if self.began is not None and self.began <= t else Status.NOT_STARTED


def failure_status(spec: Spec, default: Status = Status.TERMINAL) -> Status:
    options = dict(spec.options)
    if options.get("continuePipeline"):
        return Status.FAILED_CONTINUE
    return default if options.get("failPipeline", True) else Status.STOPPED


def passes(status: Status) -> bool:
    return status in (Status.SUCCEEDED, Status.FAILED_CONTINUE, Status.SKIPPED)


def ends_parent(node: Node) -> bool:
    if node.status is Status.FAILED_CONTINUE:
        return not dict(node.spec.options).get("allowSiblingStagesToContinueOnFailure")
    return node.status in (Status.TERMINAL, Status.CANCELED, Status.STOPPED)


def combined(spec: Spec, statuses: Iterable[Status]) -> Status:
    """What the statuses of tasks and synthetic stages make of their stage."""
    found = set(statuses)
    if not found:
        return Status.SKIPPED
    if Status.TERMINAL in found:
        return failure_status(spec)
    for each in (Status.STOPPED, Status.CANCELED, Status.FAILED_CONTINUE):
        if each in found:
            return each
    return Status.SUCCEEDED


class Model:
    """Time lines of stages that nothing interrupts, but for one pause."""

    def __init__(self, paused: tuple[int, int] | None = None) -> None:
        self._paused = paused

    def _end(self, begin: int, duration: int) -> int:
        end = begin + duration
        return self._paused[1] if self._paused and self._paused[0] <= end < self._paused[1] else end

    def stage(self, spec: Spec, t: int, planned: int) -> Node:
        """Run a stage that begins at `t`."""
        if not spec.enabled:
            return Node(spec, planned, None, t, Status.SKIPPED)
        node = Node(spec, planned, t)
        before = self._siblings(spec.before, t, spec.chained)
        node.children += before
        failed, t = _phase_end(before, t)
        if not failed:
            t = self._run_tasks(node, t)
        status = self._status(node, t)
        if status not in (Status.TERMINAL, Status.STOPPED, Status.CANCELED):
            after = self._siblings(spec.after, t, spec.chained)
            node.children += after
            _, t = _phase_end(after, t)
            status = self._status(node, t)
        if status in (Status.TERMINAL, Status.STOPPED, Status.FAILED_CONTINUE) and spec.failure:
            for child in node.children:
                if child.status_at(t) is Status.NOT_STARTED:
                    child.removed = t
            failures = self._siblings(spec.failure, t, chained=True, lenient=True)
            node.children += failures
            behind = [child for child in node.children if child not in before]
            t = max(child.end for child in behind if child.end is not None)
            status = self._status(node, t)
        node.end, node.status = t, status
        return node

    def _siblings(self, specs: tuple[Spec, ...], t: int, chained: bool, lenient: bool = False) -> list[Node]:
        """Run synthetic stages. In a chain each begins when the one before has passed.

        One whose failure was ignored ends the chain too, but for stages that run on failure (`lenient`).
        """
        nodes: list[Node] = []
        begin: int | None = t
        for spec in specs:
            node = Node(spec, t) if begin is None else self.stage(spec, begin, t)
            nodes.append(node)
            if chained:
                goes_on = passes(node.status) and (lenient or not ends_parent(node))
                begin = node.end if goes_on else None
        return nodes

    def _run_tasks(self, node: Node, t: int) -> int:
        for duration, word in node.spec.tasks:
            t = self._end(t, duration)
            status = Status.TERMINAL if word == "raise" else Status(word)
            if status in (Status.TERMINAL, Status.CANCELED):
                status = failure_status(node.spec, status)
            node.tasks.append((t, status))
            if status in (Status.TERMINAL, Status.CANCELED, Status.STOPPED):
                break
        return t

    def _status(self, node: Node, t: int) -> Status:
        alive = [child.status_at(t) for child in node.children if child.removed is None]
        return combined(node.spec, [*alive, *(status for _, status in node.tasks), *_not_run(node)])


def _not_run(node: Node) -> Iterator[Status]:
    """Tasks that were not reached: they keep a stage from being empty, and decide nothing."""
    if len(node.tasks) < len(node.spec.tasks):
        yield Status.NOT_STARTED


def _phase_end(nodes: list[Node], t: int) -> tuple[bool, int]:
    """Say when synthetic stages let their parent go on: when one has failed, else when all have ended."""
    failed = [node.end for node in nodes if node.end is not None and ends_parent(node)]
    if failed:
        return True, min(failed)
    return False, max((node.end for node in nodes if node.end is not None), default=t)


@dataclass
class Outcome:
    """An execution on its time line: the top-level stages, when it was over, how."""

    nodes: dict[str, Node]
    over: int
    status: Status


def expected(
    specs: list[Spec],
    begin: int,
    *,
    paused: tuple[int, int] | None = None,
    canceled_at: int | None = None,
    kept: dict[str, Node] | None = None,
) -> Outcome:
    """Say what becomes of an execution that begins at `begin`; `kept` are stages from before a restart."""
    model, nodes = Model(paused), dict(kept or {})
    left = [spec for spec in specs if spec.name not in nodes]
    fresh: list[str] = []
    while True:
        ready = [spec for spec in left if all(each in nodes for each in spec.requires)]
        if not ready:
            break
        for spec in ready:
            left.remove(spec)
            fresh.append(spec.name)
            needed = [nodes[each] for each in spec.requires]
            if all(passes(node.status) for node in needed):
                t = max([begin, *(node.end for node in needed if node.end is not None)])
                nodes[spec.name] = model.stage(spec, t, 0)
            else:
                nodes[spec.name] = Node(spec, 0)
    ends = [end for each in fresh if (end := nodes[each].end) is not None]
    fatal = [
        end for each in fresh if (end := nodes[each].end) and nodes[each].status in (Status.TERMINAL, Status.CANCELED)
    ]
    over = min(fatal) if fatal else max(ends, default=begin)
    canceled = canceled_at is not None and canceled_at < over
    if canceled:
        assert canceled_at is not None
        over = canceled_at
    ended = {node.status_at(over) for node in nodes.values()}
    for each in fresh:
        nodes[each] = cut(nodes[each], over)
    if canceled:
        ended = {node.status for node in nodes.values()}
    return Outcome(nodes, over, whole_status(ended, list(nodes.values()), canceled))


def cut(node: Node, t: int) -> Node:
    """What a stage is when the execution is over at `t`."""
    if node.status_at(t) is Status.NOT_STARTED:
        return Node(node.spec, node.planned)
    children = [
        cut(child, t) for child in node.children if child.planned <= t and (child.removed is None or child.removed > t)
    ]
    for child in children:
        child.removed = None
    if node.end is not None and node.end <= t:
        return replace(node, children=children)
    tasks = [(end, status) for end, status in node.tasks if end <= t]
    if _is_at_tasks(node, children, t):
        tasks.append((t, Status.CANCELED))
    status = combined(node.spec, [*(child.status_at(t) for child in children), *(status for _, status in tasks)])
    stopped = [child for child in children if child.end == t and child.began is not None]
    unclear = len(stopped) > 1 or any(child.open_question for child in stopped)
    return replace(node, children=children, tasks=tasks, end=t, status=status, open_question=unclear)


def _is_at_tasks(node: Node, children: list[Node], t: int) -> bool:
    """Say whether a stage that is cut at `t` has a task to be cancelled: no synthetic stage is, or lets it go on."""
    stopped = [child for child in children if child.end == t and child.began is not None]
    before = [child for child in children if child.spec in node.spec.before]
    if not stopped:
        return True
    come_to = len(before) == len(children) and not any(ends_parent(child) for child in before)
    return come_to and all(passes(child.status) for child in before) and bool(node.spec.tasks)


def whole_status(ended: set[Status], nodes: list[Node], canceled: bool) -> Status:
    """The status of an execution that is over, from how its top-level stages had ended by then."""
    if all(passes(status) for status in ended):
        return Status.SUCCEEDED
    if canceled:
        return Status.CANCELED
    for each in (Status.TERMINAL, Status.CANCELED):
        if each in ended:
            return each
    flagged = (n for top in nodes for n in flat(top) if n.status is Status.STOPPED)
    fails = any(dict(n.spec.options).get("completeOtherBranchesThenFail") for n in flagged)
    return Status.TERMINAL if fails else Status.SUCCEEDED


def flat(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from flat(child)


def moments(nodes: Iterable[Node], over: int) -> list[int]:
    """When something happens."""
    return sorted({end for top in nodes for node in flat(top) for end, _ in node.tasks if end <= over})


# --- the engine, on stages that do what a Spec says


class Modelled(StageContext):
    """A Spec as a context; `step` is the task that runs, `begun` when it began."""

    todo: list[Any] = Field(default_factory=list)
    begun: int | None = None
    step: int = 0
    io: bool = False
    chained: bool = False
    before: list[Any] = Field(default_factory=list)
    behind: list[Any] = Field(default_factory=list)
    failure: list[Any] = Field(default_factory=list)


def _go_on(view: StageView[Modelled], now: EpochMillis) -> TaskResult:
    context = view.context
    duration, word = context.todo[context.step]
    begun = now if context.begun is None else context.begun
    if now < begun + duration:
        return TaskResult(Status.RUNNING, {"begun": begun}, due=begun + duration)
    following: JsonMap = {"step": context.step + 1, "begun": None}
    if word == "raise":
        raise TaskFailure("as it was told", context=following)
    return TaskResult(Status(word), following)


@task(name="modelled", implementing_class="orca.tests.ModelledTask")
def modelled_task(view: StageView[Modelled], now: EpochMillis) -> TaskResult:
    return _go_on(view, now)


@io_task(name="modelledIo", implementing_class="orca.tests.ModelledIoTask")
def modelled_io_task(view: StageView[Modelled], services: Services) -> TaskResult:
    return _go_on(view, services.now())


@stage_type("modelled")
class ModelledStage(Stage[Modelled]):
    """Does what its Spec says."""

    def tasks(self, stage: StageView[Modelled]):
        return (modelled_io_task if stage.context.io else modelled_task,) * len(stage.context.todo)

    def before(self, stage: StageView[Modelled]):
        return self._made(stage, stage.context.before)

    def after(self, stage: StageView[Modelled]):
        return self._made(stage, stage.context.behind)

    def on_failure(self, stage: StageView[Modelled]):
        return self._made(stage, stage.context.failure)

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        return context | {"todo": context["again"], "step": 0, "begun": None}

    def _made(self, stage: StageView[Modelled], listed: list[Any]) -> list[Synthetic]:
        made = [Synthetic("modelled", each["name"], each["context"]) for each in listed]
        return sequence(*made) if stage.context.chained else parallel(*made)


CATALOGUE = StageCatalogue([ModelledStage])


def go(execution: Execution, now: int) -> int | None:
    """Advance at one moment, I/O tasks included; gives when to look again."""
    out = advance(execution, now, CATALOGUE, NoExpressions())
    waiting = list(out.runs)
    while waiting:
        run = waiting.pop(0)
        found = execution.stage_by_id(run.stage_id)
        assert found is not None
        view = CATALOGUE.find("modelled").view(execution, found)
        try:
            outcome: Any = _go_on(view, now)
        except TaskFailure as error:
            outcome = error
        out = answer(execution, run.stage_id, run.task_id, run.attempt, outcome, now, CATALOGUE, NoExpressions())
        waiting += out.runs
    return out.wake_at


def run_engine(execution: Execution, begin: int, actions: list[tuple[int, Any]]) -> None:
    """Drive an execution to its end; `actions` are done to it at their moments."""
    now: int | None = begin
    planned = list(actions)
    for _ in range(10_000):
        if execution.status.is_complete:
            return
        if planned and (now is None or planned[0][0] <= now):
            at, action = planned.pop(0)
            action(at)
            now = at
        assert now is not None, [(s.name, s.status) for s in execution.stages]
        wake = go(execution, now)
        assert wake is None or wake > now
        now = wake
    raise AssertionError("the execution does not end")


def started(specs: list[Spec]) -> Execution:
    """The execution of top-level stages."""
    made: list[StageExecution] = []
    for spec in specs:
        made.append(stage(spec.name, "modelled", spec.requires, **spec.context()))
        made[-1].name = spec.name
    return pipeline(*made)


def compare(execution: Execution, outcome: Outcome) -> None:
    """See that the engine has come to what the model says, stage by stage."""
    unclear = {node.spec.name for top in outcome.nodes.values() for node in flat(top) if node.open_question}
    found = {
        each.name: (each.name in unclear or each.status.value, each.start_time, each.end_time, each.is_synthetic)
        for each in execution.stages
    }
    told = {
        node.spec.name: (node.open_question or node.status.value, node.began, node.end, node is not top)
        for top in outcome.nodes.values()
        for node in flat(top)
    }
    assert found == told
    assert execution.end_time == outcome.over
    if not unclear:
        assert execution.status == outcome.status


# --- random graphs

OPTIONS: list[dict[str, Any]] = [
    {},
    {"failPipeline": True},
    {"failPipeline": False},
    {"failPipeline": False, "completeOtherBranchesThenFail": True},
    {"failPipeline": False, "continuePipeline": True},
    {"failPipeline": False, "continuePipeline": True, "allowSiblingStagesToContinueOnFailure": True},
]
GOOD, BAD = ["SUCCEEDED", "SKIPPED"], ["TERMINAL", "raise", "CANCELED", "STOPPED", "FAILED_CONTINUE"]


class Graphs:
    """Makes a few stages with what surrounds them; `pick(n)` chooses a number below `n`."""

    def __init__(self, pick: Callable[[int], int]) -> None:
        self._pick = pick
        self._bits = itertools.count()

    def stages(self) -> list[Spec]:
        made: list[Spec] = []
        for n in range(self._pick(5) + 1):
            requires = {made[self._pick(n)].name for _ in range(self._pick(3))} if n else set[str]()
            made.append(self._spec(f"s{n}", 0, self._pick(3) == 0, tuple(sorted(requires))))
        return made

    def _spec(self, name: str, depth: int, bad: bool, requires: tuple[str, ...] = (), *, may_fail: bool = True) -> Spec:
        return Spec(
            name,
            self._tasks(bad),
            self._tasks(self._pick(4) == 0) if depth == 0 else (),
            self._children(name, "b", depth, may_fail),
            self._children(name, "a", depth, may_fail),
            self._children(name, "f", depth, may_fail),
            self._pick(2) == 1,
            tuple(OPTIONS[self._pick(len(OPTIONS))].items()),
            self._pick(8) != 0,
            self._pick(2) == 1,
            requires,
        )

    def _children(self, parent: str, kind: str, depth: int, may_fail: bool) -> tuple[Spec, ...]:
        """Make at most one that fails: the ends of two failing siblings would race for their parent."""
        count = [0, 0, 0, 1, 2][self._pick(5)] if depth < 2 else 0
        bad = self._pick(3 * count) + 1 if count and may_fail else 0
        return tuple(
            self._spec(f"{parent}{kind}{n}", depth + 1, n == bad and self._pick(3) > 0, may_fail=n == bad)
            for n in range(1, count + 1)
        )

    def _tasks(self, bad: bool) -> tuple[Task, ...]:
        words = [GOOD[self._pick(2)] for _ in range(self._pick(2) + 1 if bad else self._pick(3))]
        if bad:
            words[self._pick(len(words))] = BAD[self._pick(len(BAD))]
        return tuple((4 * ((self._pick(9) + 1) * 2**80 + 2 ** next(self._bits)), word) for word in words)


@settings(
    max_examples=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_the_engine_does_what_the_model_says(data: st.DataObject):
    check(lambda most: data.draw(st.integers(0, most - 1)))


def test_the_engine_does_what_the_model_says_for_many_seeds():
    for seed in range(int(os.environ.get("SEEDS", "500"))):
        try:
            check(Random(seed).randrange)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def check(pick: Callable[[int], int]) -> None:
    """Run a random graph, with a random deed while it runs and perhaps a restart, in the engine and in the model."""
    specs = Graphs(pick).stages()
    deed = ["nothing", "cancel", "pause"][pick(3)]
    undisturbed = expected(specs, START)
    happenings = [START, *moments(undisturbed.nodes.values(), undisturbed.over)]
    at = happenings[pick(len(happenings))]
    execution = started(specs)
    actions: list[tuple[int, Any]] = []
    outcome = undisturbed
    if deed == "cancel":
        outcome = expected(specs, START, canceled_at=at + 2)
        actions = [(at + 2, lambda now: cancel(execution, "alice", None))]
    elif deed == "pause" and at > START:
        outcome = expected(specs, START, paused=(at - 1, at + 1))
        actions = [
            (at - 1, lambda now: pause(execution, "alice", now)),
            (at + 1, lambda now: resume(execution, "alice", now)),
        ]
    run_engine(execution, START, actions)
    compare(execution, outcome)
    if pick(2) or any(node.open_question for node in outcome.nodes.values()):
        return
    chosen = specs[pick(len(specs))]
    begin = outcome.over + 8
    affected = {chosen.name} | {
        each.name for each in _behind(specs, chosen.name) if outcome.nodes[each.name].status is not Status.NOT_STARTED
    }
    kept = {
        name: node
        for name, node in outcome.nodes.items()
        if name not in affected and node.status is not Status.NOT_STARTED
    }
    specs_again = [replace(each, tasks=each.again) if each.name in affected else each for each in specs]
    restarted = expected(specs_again, begin, kept=kept)
    top = execution.stage_by_ref(chosen.name)
    assert top is not None
    restart(execution, top.id, "alice", begin, CATALOGUE)
    run_engine(execution, begin, [])
    compare(execution, restarted)


def _behind(specs: list[Spec], name: str) -> list[Spec]:
    found: list[Spec] = []
    names = {name}
    for spec in specs:
        if names.intersection(spec.requires):
            names.add(spec.name)
            found.append(spec)
    return found
