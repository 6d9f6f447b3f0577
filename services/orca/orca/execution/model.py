"""Executions, stages and tasks as plain data, with the look-ups that rules and stages need.

No I/O here. Field by field this is Spinnaker's model; what only the engine needs (attempts, due
times, what has been planned) is marked so and never appears in the JSON that clients see.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from orca.execution.status import Status

ExecutionType = Literal["PIPELINE", "ORCHESTRATION"]
SyntheticOwner = Literal["STAGE_BEFORE", "STAGE_AFTER"]
BEFORE: SyntheticOwner = "STAGE_BEFORE"
AFTER: SyntheticOwner = "STAGE_AFTER"

EpochMillis = int
JsonMap = dict[str, Any]


def _map() -> JsonMap:
    return {}


def _maps() -> list[JsonMap]:
    return []


def _names() -> list[str]:
    return []


@dataclass(slots=True)
class TaskExecution:
    """One task of a stage. `attempt`, `due_at` and `in_flight` are the engine's own.

    `due_at` says when a RUNNING task wants to run again; `in_flight` that a worker has been asked
    to run attempt `attempt` and has not answered yet.
    """

    id: str
    name: str
    implementing_class: str
    status: Status = Status.NOT_STARTED
    start_time: EpochMillis | None = None
    end_time: EpochMillis | None = None
    stage_start: bool = False
    stage_end: bool = False
    loop_start: bool = False
    loop_end: bool = False
    exception_details: JsonMap = field(default_factory=_map)
    attempt: int = 0
    due_at: EpochMillis | None = None
    in_flight: bool = False


def _tasks() -> list[TaskExecution]:
    return []


@dataclass(slots=True, eq=False)
class StageExecution:
    """One stage, top-level or synthetic.

    The engine's own: what has been `planned` ("after", "failure"), and the `position` by which the
    execution's stages are sorted.
    """

    id: str
    ref_id: str
    type: str
    name: str
    context: JsonMap = field(default_factory=_map)
    outputs: JsonMap = field(default_factory=_map)
    tasks: list[TaskExecution] = field(default_factory=_tasks)
    status: Status = Status.NOT_STARTED
    start_time: EpochMillis | None = None
    end_time: EpochMillis | None = None
    start_time_expiry: EpochMillis | None = None
    requisites: list[str] = field(default_factory=_names)
    synthetic_owner: SyntheticOwner | None = None
    parent_id: str | None = None
    scheduled_time: EpochMillis | None = None
    last_modified: JsonMap | None = None
    additional_metric_tags: JsonMap | None = None
    planned: set[str] = field(default_factory=set[str])
    position: float = 0.0

    @property
    def is_synthetic(self) -> bool:
        """Say whether the engine made this stage for another one."""
        return self.parent_id is not None

    def task(self, task_id: str) -> TaskExecution | None:
        """Find a task by its id."""
        return next((task for task in self.tasks if task.id == task_id), None)


@dataclass(slots=True)
class Paused:
    """The last pause of an execution."""

    paused_by: str | None = None
    pause_time: EpochMillis | None = None
    resumed_by: str | None = None
    resume_time: EpochMillis | None = None

    def paused_ms(self, now: EpochMillis) -> int:
        """Say how long the pause lasted, in ms (until `now` while it lasts)."""
        if self.pause_time is None:
            return 0
        return max(0, (self.resume_time or now) - self.pause_time)


@dataclass(slots=True)
class _Index:
    """Where to find stages, kept in step with `Execution.stages` by its methods."""

    by_id: dict[str, StageExecution]
    by_ref: dict[str, StageExecution]
    children: dict[str, list[StageExecution]]
    downstream: dict[str, list[StageExecution]]


@dataclass(slots=True, eq=False)
class Execution:
    """A pipeline or an orchestration that runs, ran or will run.

    Change the list of stages only by `insert_before`, `insert_after` and `remove`, and a stage's
    requisites only before it is added: look-ups are indexed.
    """

    type: ExecutionType
    id: str
    application: str
    stages: list[StageExecution]
    root_id: str | None = None
    name: str | None = None
    description: str | None = None
    trigger: JsonMap = field(default_factory=_map)
    status: Status = Status.NOT_STARTED
    build_time: EpochMillis | None = None
    start_time: EpochMillis | None = None
    end_time: EpochMillis | None = None
    start_time_expiry: EpochMillis | None = None
    canceled: bool = False
    canceled_by: str | None = None
    cancellation_reason: str | None = None
    limit_concurrent: bool = False
    max_concurrent: int = 0
    keep_waiting: bool = False
    pipeline_config_id: str | None = None
    authentication: JsonMap = field(default_factory=_map)
    notifications: list[JsonMap] = field(default_factory=_maps)
    initial_config: JsonMap = field(default_factory=_map)
    system_notifications: list[JsonMap] = field(default_factory=_maps)
    spel_evaluator: str | None = None
    template_variables: JsonMap | None = None
    paused: Paused | None = None
    origin: str | None = None
    source: JsonMap | None = None
    partition: str | None = None
    additional_headers: JsonMap = field(default_factory=_map)
    version: int = 0
    _index: _Index | None = field(default=None, repr=False)

    @property
    def is_pipeline(self) -> bool:
        """Say whether this is a pipeline, not an orchestration."""
        return self.type == "PIPELINE"

    def stage_by_id(self, stage_id: str) -> StageExecution | None:
        """Find a stage by its id."""
        return self._indexed().by_id.get(stage_id)

    def stage_by_ref(self, ref_id: str) -> StageExecution | None:
        """Find a stage by its reference id, synthetic ones too (`1<1`)."""
        return self._indexed().by_ref.get(ref_id)

    def parent(self, stage: StageExecution) -> StageExecution | None:
        """Give the stage for which a synthetic stage was made."""
        return self._indexed().by_id.get(stage.parent_id) if stage.parent_id else None

    def top_level(self, stage: StageExecution) -> StageExecution:
        """Give the stage of the pipeline's author to which `stage` belongs."""
        while (above := self.parent(stage)) is not None:
            stage = above
        return stage

    def top_level_stages(self) -> list[StageExecution]:
        """Give the stages that the pipeline's author wrote, in order."""
        return [stage for stage in self.stages if stage.parent_id is None]

    def children(self, stage: StageExecution, owner: SyntheticOwner | None = None) -> list[StageExecution]:
        """Give the synthetic stages of `stage`, in order; only those before or after it when `owner` says so."""
        found = self._indexed().children.get(stage.id)
        if not found:
            return []
        return [child for child in found if owner is None or child.synthetic_owner == owner]

    def descendants(self, stage: StageExecution) -> Iterator[StageExecution]:
        """Walk the synthetic stages below `stage`, parents first."""
        waiting = self.children(stage)
        while waiting:
            child = waiting.pop()
            yield child
            waiting.extend(self.children(child))

    def lets_start(self, stage: StageExecution) -> bool:
        """Say whether every stage that `stage` waits for exists and has let it go on."""
        by_ref = self._indexed().by_ref
        for ref in stage.requisites:
            before = by_ref.get(ref)
            if before is None or not before.status.lets_next_start:
                return False
        return True

    def requisites_of(self, stage: StageExecution) -> list[StageExecution]:
        """Give the stages that `stage` waits for; a reference to no stage is left out."""
        by_ref = self._indexed().by_ref
        return [by_ref[ref] for ref in stage.requisites if ref in by_ref]

    def downstream(self, stage: StageExecution) -> list[StageExecution]:
        """Give the stages that wait for `stage` directly."""
        return list(self._indexed().downstream.get(stage.ref_id, ()))

    def all_downstream(self, stage: StageExecution) -> list[StageExecution]:
        """Give every stage that waits for `stage`, directly or through others, each once."""
        found: dict[str, StageExecution] = {}
        waiting = self.downstream(stage)
        while waiting:
            after = waiting.pop()
            if after.id not in found:
                found[after.id] = after
                waiting.extend(self.downstream(after))
        return list(found.values())

    def ancestors(self, stage: StageExecution) -> list[StageExecution]:
        """Give `stage` and those before it, in the order in which values are looked up (nearest first).

        Source of the order: spec 1.6. Itself; then the direct requisites, their synthetic children,
        and each one's own ancestors; a first synthetic goes on with its parent (an "after" stage with
        its "before" siblings first).
        """
        return list(self._walk_ancestors(stage))

    def lookup(self, stage: StageExecution, key: str, default: Any = None) -> Any:
        """Find `key` in the stage's context, else in the outputs of its nearest ancestor that has it."""
        if key in stage.context:
            return stage.context[key]
        for ancestor in self._walk_ancestors(stage):
            if key in ancestor.outputs:
                return ancestor.outputs[key]
        return default

    def lookup_all(self, stage: StageExecution, key: str) -> list[Any]:
        """Find every value of `key`: the stage's own, each ancestor's outputs, the trigger's artifacts last."""
        found = [stage.context[key]] if key in stage.context else []
        found += [before.outputs[key] for before in self._walk_ancestors(stage) if key in before.outputs]
        if key in ("artifacts", "resolvedExpectedArtifacts") and key in self.trigger:
            found.append(self.trigger[key])
        return found

    def context(self) -> JsonMap:
        """Merge the outputs of the top-level stages in topological order (spec 1.6).

        Two lists under one key are joined without duplicates; otherwise the later value wins.
        """
        merged: JsonMap = {}
        for stage in self.topological():
            for key, value in stage.outputs.items():
                old = merged.get(key)
                if isinstance(old, list) and isinstance(value, list):
                    joined = list(cast(list[Any], old))
                    joined += [item for item in cast(list[Any], value) if item not in joined]
                    merged[key] = joined
                else:
                    merged[key] = value
        return merged

    def topological(self) -> list[StageExecution]:
        """Give the top-level stages, each after all that it waits for; those of a cycle are left out."""
        top = self.top_level_stages()
        missing = {stage.id: len(self.requisites_of(stage)) for stage in top}
        ready = [stage for stage in top if not missing[stage.id]]
        for stage in ready:
            for after in self.downstream(stage):
                if after.id in missing:
                    missing[after.id] -= 1
                    if not missing[after.id]:
                        ready.append(after)
        return ready

    def insert_before(self, stage: StageExecution, added: list[StageExecution]) -> None:
        """Put synthetic stages right before `stage`."""
        if added:
            self._insert(self.stages.index(stage), added)

    def insert_after(self, stage: StageExecution, added: list[StageExecution]) -> None:
        """Put synthetic stages after `stage` and its earlier "after" stages."""
        if not added:
            return
        at = self.stages.index(stage) + 1
        below = {stage.id} | {child.id for child in self.descendants(stage)}
        while at < len(self.stages) and self.stages[at].parent_id in below:
            at += 1
        self._insert(at, added)

    def remove(self, removed: list[StageExecution]) -> None:
        """Take stages out; nothing waits for them any more."""
        gone, refs = {stage.id for stage in removed}, {stage.ref_id for stage in removed}
        self.stages[:] = [stage for stage in self.stages if stage.id not in gone]
        for stage in self.stages:
            if not refs.isdisjoint(stage.requisites):
                stage.requisites = [ref for ref in stage.requisites if ref not in refs]
        self._index = None

    def number(self) -> None:
        """Give every stage its position; done once, when the execution is made."""
        for at, stage in enumerate(self.stages):
            stage.position = float(at + 1)

    def _insert(self, at: int, added: list[StageExecution]) -> None:
        low = self.stages[at - 1].position if at else 0.0
        high = self.stages[at].position if at < len(self.stages) else low + 1.0
        for n, stage in enumerate(added, start=1):
            stage.position = low + (high - low) * n / (len(added) + 1)
        self.stages[at:at] = added
        if self._index is not None:
            for stage in added:
                _add_to(self._index, stage)

    def _indexed(self) -> _Index:
        if self._index is None:
            self._index = _Index({}, {}, {}, {})
            for stage in self.stages:
                _add_to(self._index, stage)
        return self._index

    def _walk_ancestors(self, stage: StageExecution) -> Iterator[StageExecution]:
        seen: set[str] = set()
        waiting = [stage]
        while waiting:
            current = waiting.pop(0)
            if current.ref_id not in seen:
                seen.add(current.ref_id)
                yield current
            before = self.requisites_of(current)
            if before:
                for group in (before, [child for each in before for child in self.children(each)]):
                    for found in group:
                        if found.ref_id not in seen:
                            seen.add(found.ref_id)
                            yield found
                            waiting.append(found)
            elif (parent := self.parent(current)) is not None:
                siblings = self.children(parent, BEFORE) if current.synthetic_owner == AFTER else []
                for found in (*siblings, parent):
                    if found.ref_id not in seen:
                        seen.add(found.ref_id)
                        yield found
                        waiting.append(found)


def _add_to(index: _Index, stage: StageExecution) -> None:
    index.by_id[stage.id] = stage
    index.by_ref.setdefault(stage.ref_id, stage)
    if stage.parent_id:
        index.children.setdefault(stage.parent_id, []).append(stage)
    for ref in dict.fromkeys(stage.requisites):
        index.downstream.setdefault(ref, []).append(stage)
