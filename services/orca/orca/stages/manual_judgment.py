"""`manualJudgment`: wait until a person says continue or stop.

Source: Spinnaker's Orca, `ManualJudgmentStage`.
"""

from typing import Any, cast

from kork.errors import UpstreamError
from kork.identity import Identity
from kork.telemetry import log
from pydantic import Field, field_validator

from orca.execution.model import EpochMillis, JsonMap
from orca.execution.served import execution_document
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskResult,
    WaitsFor,
    io_task,
    running,
    stage,
    succeeded,
    terminal,
)

_log = log("orca.judgments")
_BACKOFF_MS = 15_000
_TIMEOUT_MS = 3 * 24 * 3600 * 1000
_LOOK_AGAIN_MS = 3_600_000
_JUDGMENT = ("judgmentStatus", "lastModifiedBy", "judgmentRefused")
_AWAITED, _CONTINUED, _STOPPED = "manualJudgment", "manualJudgmentContinue", "manualJudgmentStop"


class ManualJudgmentContext(StageContext):
    """`judgmentStatus` is written by who judges: `continue` or `stop`, with a `judgmentInput` if asked for.

    Only those with one of `requiredJudgmentRoles` (else `selectedStageRoles`) may judge. Each entry of
    `notifications` is sent once per state (`when`), and again every `notifyEveryMs`.
    """

    judgment_status: str = ""
    judgment_input: Any = None
    instructions: str | None = None
    judgment_inputs: list[Any] = Field(default_factory=list[Any])
    notifications: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    send_notifications: bool | str | None = None
    selected_stage_roles: list[str] = Field(default_factory=list[str])
    required_judgment_roles: list[str] = Field(default_factory=list[str])

    @field_validator("judgment_status", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator(
        "notifications", "judgment_inputs", "selected_stage_roles", "required_judgment_roles", mode="before"
    )
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [] if value is None else value

    @property
    def state(self) -> str:
        """The state in the words of notifications."""
        return {"continue": _CONTINUED, "stop": _STOPPED}.get(self.judgment_status.strip().lower(), _AWAITED)

    def due(self, started: EpochMillis, now: EpochMillis) -> list[int]:
        """Say which notifications have to be sent now (their places in the list), the stage having `started` (ms)."""
        if self.state != _AWAITED and not self.send_notifications:
            return []
        return [n for n, each in enumerate(self.notifications) if _next_at(each, self.state, started, now) == now]

    def next_due(self, started: EpochMillis, now: EpochMillis) -> EpochMillis:
        """Say when the next notification has to be sent, or when to look again without any (epoch ms)."""
        times = [at for each in self.notifications if (at := _next_at(each, self.state, started, now)) is not None]
        return min([*times, now + _LOOK_AGAIN_MS])


def _next_at(notification: JsonMap, state: str, started: EpochMillis, now: EpochMillis) -> EpochMillis | None:
    """Say when a notification is to be sent for a state: `now`, later, or never (any more).

    The first one for a state that `when` lists is echo's, which hears of the stage's start and end and loses none.
    """
    when: Any = notification.get("when")
    listed = isinstance(when, list) and bool(cast(list[Any], when))
    if listed and state not in when:
        return None
    sent: Any = notification.get("lastNotifiedByNotificationState")
    last: Any = cast(JsonMap, sent).get(state) if isinstance(sent, dict) else None
    if not isinstance(last, int) or not last:
        if not listed:
            return now
        last = started
    every: Any = notification.get("notifyEveryMs")
    if isinstance(every, str) and every.strip().isdigit():
        every = int(every)
    return max(now, last + every) if isinstance(every, int) and every > 0 else None


def _verdict(stage: StageView[ManualJudgmentContext], notifications: list[JsonMap], now: EpochMillis) -> TaskResult:
    context = stage.context
    written: JsonMap = {"notifications": notifications}
    if context.state == _CONTINUED:
        return succeeded(written)
    if context.state == _STOPPED:
        return terminal(written)
    told = context.model_copy(update={"notifications": notifications})
    return running(until=told.next_due(_started(stage, now), now), context=written)


def judged(stage: StageView[ManualJudgmentContext], now: EpochMillis) -> TaskResult | None:
    """Give the verdict, unless somebody has to be told first."""
    return None if stage.context.due(_started(stage, now), now) else _verdict(stage, stage.context.notifications, now)


def _started(stage: StageView[ManualJudgmentContext], now: EpochMillis) -> EpochMillis:
    return stage.stage.start_time or now


@io_task(
    name="waitForJudgment",
    implementing_class="com.netflix.spinnaker.orca.echo.pipeline.ManualJudgmentStage.WaitForManualJudgmentTask",
    backoff=_BACKOFF_MS,
    timeout=_TIMEOUT_MS,
    overridable=True,
    quick=judged,
)
def wait_for_judgment(stage: StageView[ManualJudgmentContext], services: Services) -> TaskResult:
    """Tell those who want to know, then give the verdict. What can't be sent is passed over."""
    context, now = stage.context, services.now()
    notifications = [dict(each) for each in context.notifications]
    for n in context.due(_started(stage, now), now):
        told = notifications[n]
        try:
            services.echo.post("/notifications", json=_message(stage, told))
        except UpstreamError as error:
            _log.warning("judgment.not_notified", execution=stage.execution.id, type=told.get("type"), error=str(error))
        sent: Any = told.get("lastNotifiedByNotificationState")
        told["lastNotifiedByNotificationState"] = (cast(JsonMap, sent) if isinstance(sent, dict) else {}) | {
            context.state: now
        }
    return _verdict(stage, notifications, now)


def _message(stage: StageView[ManualJudgmentContext], notification: JsonMap) -> JsonMap:
    context, execution = stage.context, stage.execution
    to = notification.get("address") or notification.get("publisherName")
    texts: Any = notification.get("message")
    text: Any = cast(JsonMap, texts).get(context.state) if isinstance(texts, dict) else None
    return {
        "notificationType": str(notification.get("type") or "").upper(),
        "to": [to] if to else [],
        "cc": [notification["cc"]] if notification.get("cc") else None,
        "templateGroup": context.state,
        "severity": "HIGH",
        "source": {
            "executionType": execution.type,
            "executionId": execution.id,
            "application": execution.application,
        },
        "additionalContext": {
            "stageName": stage.name,
            "stageId": stage.ref_id,
            "restrictExecutionDuringTimeWindow": stage.raw.get("restrictExecutionDuringTimeWindow"),
            "execution": execution_document(execution),
            "instructions": context.instructions or "",
            "message": cast(JsonMap, text).get("text") if isinstance(text, dict) else None,
            "judgmentInputs": context.judgment_inputs,
            "judgmentInput": context.judgment_input,
            "judgedBy": stage.raw.get("lastModifiedBy"),
        },
    }


@stage("manualJudgment")
class ManualJudgment(Stage[ManualJudgmentContext]):
    """Hold the branch until a person decides."""

    def tasks(self, stage: StageView[ManualJudgmentContext]):
        yield wait_for_judgment

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Forget the judgment: a restarted stage asks again."""
        return {key: value for key, value in context.items() if key not in _JUDGMENT}

    def waits_for(self, stage: StageView[ManualJudgmentContext]) -> WaitsFor:
        required = stage.context.required_judgment_roles or stage.context.selected_stage_roles
        who = f"a person with one of the roles {', '.join(required)}" if required else "a person"
        refused = stage.raw.get("judgmentRefused")
        return WaitsFor(
            "judgment",
            f"{who} has to judge" + (f" ({refused})" if refused else ""),
            "a judgment: `gennaker judge` with continue or stop",
        )

    def review_change(self, stage: StageView[ManualJudgmentContext], change: JsonMap, user: Identity) -> JsonMap:
        """Take a judgment only from who has one of the required roles; `judgmentRefused` says why not.

        As in Spinnaker the change itself is accepted, and the stage goes on waiting.
        """
        if not change.get("judgmentStatus"):
            return change
        required = stage.context.required_judgment_roles or stage.context.selected_stage_roles
        held = {role.lower() for role in user.roles}
        if not required or user.admin or any(role.lower() in held for role in required):
            return change | ({"judgmentRefused": None} if "judgmentRefused" in stage.raw else {})
        refused = f"'{user.user}' may not judge: one of the roles {', '.join(required)} is needed."
        return change | {"judgmentStatus": "", "judgmentRefused": refused}
