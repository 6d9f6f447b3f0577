"""`preconfiguredWebhook`: webhooks that an operator has prepared, each a stage type of its own.

What the operator set can't be changed by a stage, and is not written into its context: addresses and
tokens stay with the operator. Source: Orca's `PreconfiguredWebhookStage`.
"""

from dataclasses import replace
from typing import Any, cast

from orca.execution.model import Execution, JsonMap, StageExecution
from orca.expressions import PipelineExpressions
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import Stage, StageView, TaskFailure, stage
from orca.stages.webhook import (
    Webhook,
    create_webhook,
    monitor_webhook,
    wait_before_monitor,
    webhook_tasks,
)
from orca.webhooks.accounts import Credentials
from orca.webhooks.context import WebhookContext, WebhookView
from orca.webhooks.settings import PreconfiguredWebhook, WebhookSettings

_CALL = frozenset({"url", "customHeaders", "method", "payload"})
_WATCH = frozenset({"waitForCompletion", "statusUrlResolution", "statusJsonPath", "successStatuses"})


def preconfigured_webhooks(settings: WebhookSettings) -> type[Stage[Any]]:
    """Make the stage type that knows all prepared webhooks, by the type of each."""
    known = {webhook.type: webhook for webhook in settings.preconfigured if webhook.enabled}
    expressions = PipelineExpressions()

    @stage("preconfiguredWebhook", aliases=known)
    class Preconfigured(Webhook):
        """A webhook that an operator has prepared."""

        uses = (create_webhook, wait_before_monitor, monitor_webhook, bind_produced_artifacts)

        def tasks(self, stage: StageView[WebhookContext]):
            webhook = known.get(stage.type)
            if webhook is None:
                listed = ", ".join(sorted(known)) or "none"
                raise TaskFailure(
                    f"There is no preconfigured webhook of type '{stage.type}' (there are: {listed}).",
                    exception_type="PreconfiguredWebhookNotFoundException",
                )
            identity = stage.identity
            if not identity.admin and not webhook.may_run(frozenset(identity.roles)):
                raise TaskFailure(
                    f"'{identity.user}' may not run the preconfigured webhook '{webhook.label}': "
                    f"it needs one of the roles {', '.join(webhook.permissions['WRITE'])}.",
                    exception_type="PreconfiguredWebhookUnauthorizedException",
                )
            yield from webhook_tasks(stage.context)

        def view(self, execution: Execution, stage: StageExecution) -> StageView[WebhookContext]:
            webhook = known.get(stage.type)
            if webhook is None:
                return super().view(execution, stage)
            merged = replace(stage, context=_merged(webhook, stage.context))
            evaluated_already = stage.context.keys() - webhook.fields().keys()
            merged.context = expressions.context(execution, merged, evaluated_already)
            credentials = Credentials(webhook.sensitive_headers or {}, webhook.signing)
            return WebhookView(execution, merged, credentials)

    return Preconfigured


def _merged(webhook: PreconfiguredWebhook, context: JsonMap) -> JsonMap:
    given: Any = context.get("parameterValues")
    defaults = {each.name: each.default_value for each in webhook.parameters if each.default_value is not None}
    values = defaults | (cast(JsonMap, given) if isinstance(given, dict) else {})
    return context | webhook.fields() | {"parameterValues": values}


def listed(settings: WebhookSettings) -> list[JsonMap]:
    """List the prepared webhooks as `GET /webhooks/preconfigured` shows them."""
    return [_described(webhook) for webhook in settings.preconfigured if webhook.enabled]


def _described(webhook: PreconfiguredWebhook) -> JsonMap:
    properties = webhook.fields().keys()
    needed = _CALL | _WATCH if webhook.wait_for_completion else _CALL
    return {
        "label": webhook.label,
        "description": webhook.description,
        "type": webhook.type,
        "waitForCompletion": webhook.wait_for_completion,
        "preconfiguredProperties": sorted(properties),
        "noUserConfigurableFields": needed <= properties,
        "parameters": [each.model_dump(by_alias=True) for each in webhook.parameters],
        "parameterData": {},
    }
