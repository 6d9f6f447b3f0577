"""An execution as lines for people. Pure."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gennaker.cli.tables import duration

_MARKS = {
    "SUCCEEDED": "✓",
    "FAILED_CONTINUE": "!",
    "TERMINAL": "✗",
    "STOPPED": "✗",
    "CANCELED": "✗",
    "SKIPPED": "–",
    "RUNNING": "▸",
    "PAUSED": "‖",
    "SUSPENDED": "‖",
}
_COLORS = {"✓": "green", "✗": "red", "!": "yellow", "▸": "cyan", "‖": "yellow"}
_BAR_WIDTH = 12

Rollouts = Mapping[str, "Rollout"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the workloads of a stage are: replicas ready out of those desired."""

    ready: int
    desired: int

    def bar(self) -> str:
        """Draw it."""
        full = _BAR_WIDTH * self.ready // self.desired if self.desired else _BAR_WIDTH
        return f"{'█' * full}{'░' * (_BAR_WIDTH - full)} {self.ready}/{self.desired} ready"


@dataclass(frozen=True, slots=True)
class StageLine:
    """What is shown of a stage."""

    stage_id: str
    depth: int
    name: str
    status: str
    took: str
    detail: str

    @property
    def mark(self) -> str:
        """The sign of its status."""
        return _MARKS.get(self.status, "·")

    @property
    def color(self) -> str:
        """The colour of its status."""
        return _COLORS.get(self.mark, "dim")

    def text(self) -> str:
        """Give the line without colours."""
        label = f"{'  ' * self.depth}{self.name}"
        return f"  {self.mark} {label:<34} {self.status:<12} {self.took:>9}  {self.detail}".rstrip()


def stage_lines(
    execution: Mapping[str, Any], rollouts: Rollouts | None = None, now: int | None = None
) -> list[StageLine]:
    """Give the lines of an execution's stages, synthetic ones under those that they belong to."""
    at = now if now is not None else round(time.time() * 1000)
    stages: list[dict[str, Any]] = execution.get("stages", [])
    ids = {stage["id"] for stage in stages}
    lines: list[StageLine] = []

    def add(parent: str | None, depth: int) -> None:
        for stage in stages:
            above = stage.get("parentStageId")
            if (above if above in ids else None) == parent:
                lines.append(_line(stage, depth, execution, rollouts or {}, at))
                add(stage["id"], depth + 1)

    add(None, 0)
    return lines


def plain_lines(execution: Mapping[str, Any]) -> list[str]:
    """Give the lines of an execution's stages without colours."""
    return [line.text() for line in stage_lines(execution)]


def headline(execution: Mapping[str, Any], now: int | None = None) -> str:
    """Say which execution this is, how it is, and how long it took."""
    end = execution.get("endTime") or (now if now is not None else round(time.time() * 1000))
    took = duration(execution.get("startTime"), end)
    name = execution.get("name") or execution.get("description") or ""
    head = f"{execution['application']} / {name}  {execution['id']}  {execution['status']}  {took}".rstrip()
    reason = execution.get("cancellationReason")
    return f"{head}  ({reason})" if reason else head


def failure_of(stage: Mapping[str, Any]) -> str:
    """Find the words in which a stage says why it failed."""
    exception: Any = stage.get("context", {}).get("exception") or {}
    details: Any = exception.get("details") or {}
    errors: Any = details.get("errors") or ([details["error"]] if details.get("error") else [])
    words = [str(error) for error in errors]
    if not words:
        for task in stage.get("tasks") or []:
            told: Any = (task.get("taskExceptionDetails") or {}).get("exception") or {}
            words += [str(error) for error in (told.get("details") or {}).get("errors") or []]
    if not words:
        operations: Any = stage.get("context", {}).get("kato.tasks") or []
        words = [str(o["exception"]["message"]) for o in operations if (o.get("exception") or {}).get("message")]
    return " ".join("; ".join(words).split())


def _line(stage: dict[str, Any], depth: int, execution: Mapping[str, Any], rollouts: Rollouts, now: int) -> StageLine:
    status = stage["status"]
    end = stage.get("endTime") or (now if status == "RUNNING" else None)
    return StageLine(
        stage_id=stage["id"],
        depth=depth,
        name=stage.get("name") or stage["type"],
        status=status,
        took=duration(stage.get("startTime"), end),
        detail=_detail(stage, execution, rollouts.get(stage["id"])),
    )


def _detail(stage: dict[str, Any], execution: Mapping[str, Any], rollout: Rollout | None) -> str:
    status = stage["status"]
    context = stage.get("context", {})
    if status in ("TERMINAL", "STOPPED", "CANCELED", "FAILED_CONTINUE"):
        return failure_of(stage)
    if stage["type"] == "manualJudgment" and status == "RUNNING":
        return f"waits for: gennaker judge {execution['id']} continue"
    if rollout is not None:
        return rollout.bar()
    if status == "RUNNING" and (messages := context.get("messages")):
        return str(messages[-1])
    if status == "RUNNING" and (task := next((t for t in stage.get("tasks") or [] if t["status"] == "RUNNING"), None)):
        return str(task["name"])
    return ""
