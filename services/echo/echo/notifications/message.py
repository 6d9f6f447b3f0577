"""What receivers are told. Pure."""

from typing import Any

from kork.documents import Document, object_in

from echo.notifications.rules import Occasion

_WORDS = {"starting": "is starting", "complete": "has completed successfully", "failed": "has failed"}
_JUDGMENT_WORDS = {
    "manualJudgment": "is waiting for a judgment",
    "manualJudgmentContinue": "was told to continue",
    "manualJudgmentStop": "was told to stop",
}
_EXECUTION = ("application", "pipelineConfigId", "status", "startTime", "endTime", "trigger")
_STAGE = ("refId", "type", "name", "status", "startTime", "endTime")


def message_of(occasion: Occasion, payload: Document, notification: Document, base_url: str) -> Document:
    """Make a message.

    `{event, level, status, application, subject, text, link, execution{id, …}, stage{id, …}?, notification}`;
    `text` is the notification's own for the occasion when it has one, with `{{executionId}}` and `{{link}}`
    filled in.
    """
    execution_id = str(payload.get("executionId", ""))
    application = str(payload.get("application", ""))
    link = _link(occasion, application, execution_id, base_url)
    subject = _subject(occasion, payload, application)
    custom = object_in(object_in(notification.get("message")).get(occasion.event)).get("text")
    text = _own_text(notification.get("customMessage") or custom, execution_id, link)
    execution: Document = {key: payload[key] for key in _EXECUTION if key in payload} if not _is_stage(occasion) else {}
    message: Document = {
        "event": occasion.event,
        "level": occasion.level,
        "status": occasion.phase,
        "application": application,
        "subject": subject,
        "text": text or subject,
        "link": link,
        "execution": execution | {"id": execution_id, "name": _name(occasion, payload)},
        "notification": notification,
    }
    if _is_stage(occasion):
        stage: Document = {key: payload[key] for key in _STAGE if key in payload}
        message["stage"] = stage | {"id": payload.get("stageId")}
    return message


def _is_stage(occasion: Occasion) -> bool:
    return occasion.level == "stage"


def _name(occasion: Occasion, payload: Document) -> Any:
    return payload.get("executionName") if _is_stage(occasion) else payload.get("name")


def _subject(occasion: Occasion, payload: Document, application: str) -> str:
    words = _JUDGMENT_WORDS.get(occasion.event) or _WORDS[occasion.phase]
    what = "stage" if _is_stage(occasion) else "task" if occasion.level == "orchestration" else "pipeline"
    return f"{application}'s {what} '{payload.get('name')}' {words}"


def _own_text(template: Any, execution_id: str, link: str) -> str:
    if not isinstance(template, str):
        return ""
    return template.replace("{{executionId}}", execution_id).replace("{{link}}", link)


def _link(occasion: Occasion, application: str, execution_id: str, base_url: str) -> str:
    place = "tasks" if occasion.level == "orchestration" else "executions/details"
    return f"{base_url.rstrip('/')}/#/applications/{application}/{place}/{execution_id}"
