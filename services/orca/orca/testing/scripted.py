"""Stage types whose behaviour is written in their context.

`script` is a list of what the tasks answer, in order: `"SUCCEEDED"`, `"TERMINAL"`, …, `"RUNNING:50"`
(run again after 50 ms; what follows is the answer then), `"raise"`. `io: true` makes every task an
I/O task. `tasks` (1) is how many tasks there are. `before`, `behind`, `failure` are lists of contexts
of synthetic stages of the same type; `chained` lets each wait for the one before it.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from orca.execution.model import EpochMillis, JsonMap
from orca.execution.status import Status
from orca.stages.catalogue import StageCatalogue
from orca.stages.definition import (
    Loop,
    Services,
    Stage,
    StageContext,
    StageView,
    Synthetic,
    TaskSpec,
    io_task,
    parallel,
    sequence,
    stage,
    task,
)
from orca.stages.results import TaskResult


def _contexts() -> list[JsonMap]:
    return []


def _words() -> list[str]:
    return []


class Script(StageContext):
    """What a scripted stage does."""

    script: list[str] = Field(default_factory=_words)
    tasks: int = 1
    io: bool = False
    loop: bool = False
    before: list[JsonMap] = Field(default_factory=_contexts)
    behind: list[JsonMap] = Field(default_factory=_contexts)
    failure: list[JsonMap] = Field(default_factory=_contexts)
    chained: bool = False
    step: int = 0
    skippable: bool = False
    write: JsonMap = Field(default_factory=dict[str, Any])


def follow_script(stage: StageView[Script], now: EpochMillis) -> TaskResult:
    """Answer the next word of the script; SUCCEEDED when there is none left."""
    script, step = stage.context.script, stage.context.step
    word = script[step] if step < len(script) else "SUCCEEDED"
    status, _, pause = word.partition(":")
    if status == "raise":
        raise ValueError("as the script says")
    due = now + int(pause) if pause else None
    return TaskResult(Status(status), {"step": step + 1}, dict(stage.context.write), due)


@task(name="scripted", implementing_class="orca.testing.ScriptedTask", timeout=3_600_000, overridable=True)
def scripted_task(stage: StageView[Script], now: EpochMillis) -> TaskResult:
    """Follow the script inside the engine."""
    return follow_script(stage, now)


@io_task(name="scriptedIo", implementing_class="orca.testing.ScriptedIoTask", backoff=100)
def scripted_io_task(stage: StageView[Script], services: Services) -> TaskResult:
    """Follow the script in a worker."""
    return follow_script(stage, services.now())


def clean_up(stage: StageView[Script], services: Services) -> TaskResult | None:
    """Note that the stage was told of its end."""
    return None


@stage("scripted")
class Scripted(Stage[Script]):
    """A stage that follows its script."""

    on_cancel = staticmethod(clean_up)

    def tasks(self, stage: StageView[Script]) -> Iterable[TaskSpec | Loop]:
        spec = scripted_io_task if stage.context.io else scripted_task
        if stage.context.loop:
            return (Loop((spec,) * stage.context.tasks),)
        return (spec,) * stage.context.tasks

    def before(self, stage: StageView[Script]) -> Iterable[Synthetic]:
        return _made(stage, stage.context.before, "before")

    def after(self, stage: StageView[Script]) -> Iterable[Synthetic]:
        return _made(stage, stage.context.behind, "after")

    def on_failure(self, stage: StageView[Script]) -> Iterable[Synthetic]:
        return _made(stage, stage.context.failure, "failure")

    def can_skip(self, stage: StageView[Script]) -> bool:
        return stage.context.skippable


def _made(stage: StageView[Script], contexts: list[JsonMap], kind: str) -> list[Synthetic]:
    made = [Synthetic("scripted", f"{kind} {n}", context) for n, context in enumerate(contexts, start=1)]
    return sequence(*made) if stage.context.chained else parallel(*made)


def scripted_catalogue() -> StageCatalogue:
    """The catalogue that knows the scripted stage only."""
    return StageCatalogue([Scripted])
