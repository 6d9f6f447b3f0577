"""`webhook`: call an address, and if asked to, watch what it started until that ends.

Source: Orca's `WebhookStage`, `CreateWebhookTask`, `MonitorWebhookTask`. Answers are kept under
`webhook` in the stage's context, those of the watch under `webhook.monitor`.
"""

from collections.abc import Collection
from typing import Any, cast

from kork.telemetry import log

from orca.execution.model import EpochMillis, Execution, JsonMap, StageExecution
from orca.execution.status import Status
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import (
    Services,
    Stage,
    StageView,
    TaskFailure,
    TaskResult,
    canceled,
    io_task,
    running,
    stage,
    succeeded,
    task,
)
from orca.webhooks import jsonpaths
from orca.webhooks.addresses import UnknownHost
from orca.webhooks.caller import Caller
from orca.webhooks.client import Answer, RequestFailed
from orca.webhooks.context import WebhookContext, WebhookView
from orca.webhooks.outcome import (
    Unreadable,
    document,
    is_retried,
    progress,
    retries_left,
    status_url,
)
from orca.webhooks.settings import webhook_settings
from orca.webhooks.waiting import retry_at

_log = log("orca.webhooks")
_TASKS = "com.netflix.spinnaker.orca.webhook.tasks"
_CREATE_BACKOFF_MS = 10_000
_CREATE_TIMEOUT_MS = 300_000
_MONITOR_MS = (1_000, 15_000)
_MONITOR_TIMEOUT_MS = 3_600_000
_MAX_PAST_CODES = 1_000
_ANSWERS = frozenset({"webhook", "artifacts"})


@io_task(
    name="createWebhook",
    implementing_class=f"{_TASKS}.CreateWebhookTask",
    backoff=_CREATE_BACKOFF_MS,
    timeout=_CREATE_TIMEOUT_MS,
    overridable=True,
)
def create_webhook(stage: StageView[WebhookContext], services: Services) -> TaskResult:
    """Call the address. What may pass (a 5xx, an unknown host, a refused connection) is tried again.

    After the crash of a worker the call may be made again: it has the same `Idempotency-Key` then.
    """
    context = stage.context
    what = f"{context.method} {context.url}"
    try:
        answer = Caller(stage, services).send("call", context.method, context.url, context.payload)
    except UnknownHost as error:
        return _again({}, f"Remote host resolution failure in webhook {what}: {error}, will retry.")
    except RequestFailed as error:
        if error.again:
            return _again({}, f"Error submitting webhook: {error}, will retry.")
        raise TaskFailure(f"{what} failed: {error}", exception_type="WebhookFailed") from error
    return _created(stage, services, answer, what)


def _again(webhook: JsonMap, error: str, until: EpochMillis | None = None) -> TaskResult:
    return running(until, context={"webhook": webhook | {"error": error}})


def _created(stage: StageView[WebhookContext], services: Services, answer: Answer, what: str) -> TaskResult:
    context, webhook = stage.context, document(answer)
    if answer.status >= 400:
        told = f"{what} answered {answer.status} {answer.status_name}: {answer.excerpt}"
        fast = [504] if context.fail_fast_status_codes is None else context.fail_fast_status_codes
        codes = {*webhook_settings(services.settings).default_retry_status_codes}
        codes |= {*(context.webhook_retry_status_codes or [])}
        if answer.status in fast:
            told = f"Received status code {answer.status}, which is configured to fail fast, terminating stage: {told}"
        elif is_retried(answer.status, codes):
            return _again(webhook, f"{told}; will retry.", retry_at(answer.header("retry-after"), services.now()))
        raise _failed(told, {"webhook": webhook | {"error": told}})
    found: JsonMap = {"webhook": webhook}
    if context.expected_artifacts and isinstance(answer.body, dict):
        found["artifacts"] = cast(JsonMap, answer.body).get("artifacts") or []
    if context.wait_for_completion:
        url = status_url(answer, context.url, context.status_url_resolution, context.status_url_json_path)
        if url is None:
            resolution = context.status_url_resolution or "getMethod"
            told = (
                "The status URL couldn't be resolved, but 'Wait for completion' was checked "
                f"(statusUrlResolution {resolution}): {what} answered {answer.excerpt}"
            )
            raise _failed(told, {"webhook": webhook | {"error": told}})
        webhook["statusEndpoint"] = url
    return succeeded(found)


def _failed(told: str, context: JsonMap) -> TaskFailure:
    return TaskFailure(told, error="The webhook failed", exception_type="WebhookFailed", context=context)


@task(name="waitBeforeMonitorWebhook", implementing_class=f"{_TASKS}.WaitBeforeMonitorWebhookTask", backoff=1_000)
def wait_before_monitor(stage: StageView[WebhookContext], now: EpochMillis) -> TaskResult:
    """Let `waitBeforeMonitor` seconds pass."""
    mine = next((each for each in stage.stage.tasks if each.name == "waitBeforeMonitorWebhook"), None)
    started = (mine.start_time if mine else None) or stage.started_at
    due = started + round((stage.context.wait_before_monitor or 0) * 1000)
    return succeeded() if now >= due else running(until=due)


def _monitor_backoff(stage: StageView[Any], elapsed: int) -> int:
    return _MONITOR_MS[0] if elapsed < 60_000 else _MONITOR_MS[1]


@io_task(
    name="monitorWebhook",
    implementing_class=f"{_TASKS}.MonitorWebhookTask",
    backoff=_monitor_backoff,
    timeout=_MONITOR_TIMEOUT_MS,
    overridable=True,
)
def monitor_webhook(stage: StageView[WebhookContext], services: Services) -> TaskResult:
    """Ask how far what was started has come."""
    context, webhook = stage.context, _map(stage.raw.get("webhook"))
    url = webhook.get("statusEndpoint") or context.status_endpoint or context.url
    earlier = _map(webhook.get("monitor"))
    try:
        answer = Caller(stage, services).send("watch", "GET", str(url))
    except UnknownHost as error:
        return _watched(webhook, earlier | {"error": f"Remote host resolution failure: {error}, will retry."})
    except RequestFailed as error:
        if not error.again:
            raise _failed(f"GET {url} failed: {error}", {}) from error
        return _watched(webhook, earlier | {"error": f"{error}, will retry."})
    past = [*cast(list[int], earlier.get("pastStatusCodes") or []), answer.status][-_MAX_PAST_CODES:]
    monitor = document(answer) | {"pastStatusCodes": past}
    if answer.status >= 400:
        return _refused(stage, services, webhook, monitor, answer)
    return _judged(context, webhook, monitor, answer, retry_at(answer.header("retry-after"), services.now()))


def _map(value: Any) -> JsonMap:
    return dict(cast(JsonMap, value)) if isinstance(value, dict) else {}


def _watched(webhook: JsonMap, monitor: JsonMap, until: EpochMillis | None = None) -> TaskResult:
    return running(until, context={"webhook": webhook | {"monitor": monitor}})


def _refused(
    stage: StageView[WebhookContext], services: Services, webhook: JsonMap, monitor: JsonMap, answer: Answer
) -> TaskResult:
    context = stage.context
    told = f"GET {answer.url} answered {answer.status} {answer.status_name}: {answer.excerpt}"
    codes = {*webhook_settings(services.settings).default_retry_status_codes, *(context.retry_status_codes or [])}
    again = retries_left(answer.status, context.retries, cast(list[int], monitor["pastStatusCodes"]))
    if is_retried(answer.status, codes) if again is None else again:
        until = retry_at(answer.header("retry-after"), services.now())
        return _watched(webhook, monitor | {"error": f"{told}; will retry."}, until)
    raise _failed(told, {"webhook": webhook | {"monitor": monitor | {"error": told}}})


def _judged(
    context: WebhookContext, webhook: JsonMap, monitor: JsonMap, answer: Answer, until: EpochMillis | None
) -> TaskResult:
    if context.progress_json_path:
        monitor |= _progress_message(context.progress_json_path, answer)
    if not context.status_json_path:
        return succeeded({"webhook": webhook | {"monitor": monitor}})
    try:
        status, told = progress(answer, context.status_json_path, context.statuses())
    except Unreadable as error:
        message = f"{error}: {answer.excerpt}"
        raise _failed(message, {"webhook": webhook | {"monitor": monitor | {"error": str(error)}}}) from error
    found: JsonMap = {"webhook": webhook | {"monitor": monitor | told}}
    match status:
        case Status.SUCCEEDED:
            return succeeded(found)
        case Status.CANCELED:
            return canceled(found)
        case Status.TERMINAL:
            raise _failed(f"{answer.url} reports the status '{told.get('resolvedValue')}': {answer.excerpt}", found)
        case _:
            return running(until, context=found)


def _progress_message(path: str, answer: Answer) -> JsonMap:
    try:
        value = jsonpaths.read(path, answer.body)
    except (jsonpaths.NotFound, ValueError):
        return {}
    return {"progressMessage": value if isinstance(value, str) else str(value)}


def call_cancel_endpoint(stage: StageView[WebhookContext], services: Services) -> TaskResult | None:
    """Tell the other side that the stage was cancelled or failed; that it can't be told is only logged."""
    try:
        context = stage.context
        if not context.cancel_endpoint or context.signal_cancellation is False:
            return None
        Caller(stage, services).send("cancel", context.cancel_method, context.cancel_endpoint, context.cancel_payload)
    except Exception as error:
        _log.warning("webhook.not_cancelled", stage=stage.id, execution=stage.execution.id, error=str(error))
    return None


@stage("webhook")
class Webhook(Stage[WebhookContext]):
    """Call an address."""

    on_cancel = staticmethod(call_cancel_endpoint)

    def tasks(self, stage: StageView[WebhookContext]):
        return webhook_tasks(stage.context)

    def view(self, execution: Execution, stage: StageExecution) -> StageView[WebhookContext]:
        """See a stage without credentials but those of its account."""
        return WebhookView(execution, stage)

    def raw_keys(self, context: JsonMap) -> Collection[str]:
        """What the other side answered is no expression, whatever it looks like."""
        return _ANSWERS

    def prepare_restart(self, context: JsonMap) -> JsonMap:
        """Forget the last answers."""
        return {key: value for key, value in context.items() if key not in _ANSWERS}


def webhook_tasks(context: WebhookContext):
    """Give the tasks of a webhook stage in order."""
    if not context.url and not (context.monitor_only and context.status_endpoint):
        raise TaskFailure("url: the address to call is missing.", exception_type="ConfigurationException")
    if not context.monitor_only:
        yield create_webhook
    if context.wait_for_completion or context.monitor_only:
        if context.wait_before_monitor:
            yield wait_before_monitor
        yield monitor_webhook
    if context.expected_artifacts:
        yield bind_produced_artifacts
