"""The requests of a webhook stage: each with an id that a repetition keeps, and with the operator's credentials."""

import hashlib
from typing import Any
from urllib.parse import quote

from kork.errors import UpstreamError
from kork.secrets import SecretError
from kork.telemetry import log

from orca.execution.model import JsonMap
from orca.stages.definition import Services, StageView
from orca.webhooks.accounts import NO_CREDENTIALS, AccountRefused, Credentials, account_named, credentials_of
from orca.webhooks.client import Answer, Sign, WebhookClient, sent_headers
from orca.webhooks.context import WebhookContext, WebhookView
from orca.webhooks.settings import url_restrictions, webhook_settings
from orca.webhooks.signing import key_of, signed

_log = log("orca.webhooks")


class Caller:
    """Sends the requests of one webhook stage, with what its account or its type adds to them."""

    def __init__(self, stage: StageView[WebhookContext], services: Services) -> None:
        self._stage = stage
        self._services = services
        self._settings = webhook_settings(services.settings)

    def send(self, purpose: str, method: str, url: str, payload: Any = None) -> Answer:
        """Send a request of this stage. `purpose` tells its requests apart: each has an id that a repetition keeps."""
        credentials = self._credentials(url)
        id = request_id(self._stage, purpose)
        headers: JsonMap = {} if method in ("GET", "HEAD") else {"Idempotency-Key": id}
        if self._settings.include_additional_headers:
            headers |= self._stage.execution.additional_headers
        own = {key.lower() for key in self._stage.context.custom_headers or {}}
        headers = {key: value for key, value in headers.items() if key.lower() not in own}
        client = WebhookClient(self._services.http, self._settings, url_restrictions(self._services.settings))
        answer = client.send(
            method,
            url,
            payload=payload,
            headers=sent_headers(self._stage.context.custom_headers) | headers,
            secret_headers=credentials.headers,
            sign=self._sign(credentials.signing, id),
        )
        if self._settings.audit_logging_enabled:
            who = {"execution": self._stage.execution.id, "stage": self._stage.id, "user": self._stage.identity.user}
            _log.info("webhook.sent", method=method, url=url, status=answer.status, purpose=purpose, **who)
        return answer

    def _credentials(self, url: str) -> Credentials:
        stage, context = self._stage, self._stage.context
        if isinstance(stage, WebhookView) and stage.credentials is not NO_CREDENTIALS:
            return stage.credentials
        account = account_named(self._settings, context.account)
        if account is not None:
            return credentials_of(account, stage.identity, [url])
        if context.account and self._settings.validate_account:
            self._require_known(context.account)
        return NO_CREDENTIALS

    def _require_known(self, account: str) -> None:
        """Let an account of clouddriver that the user may use pass too, as in Orca."""
        try:
            self._services.clouddriver.get(f"/credentials/{quote(account, safe='')}")
        except UpstreamError as error:
            if error.network or error.status >= 500:
                raise
            known = ", ".join(each.name for each in self._settings.accounts) or "none"
            raise AccountRefused(
                f"account: there is no account '{account}' for webhooks (webhook.accounts: {known}), "
                "nor one of clouddriver that may be used."
            ) from error

    def _sign(self, name: str | None, id: str) -> Sign | None:
        found = next((key for key in self._settings.signing if key.name == name), None)
        if found is None:
            return None
        try:
            key = key_of(found.secret)
        except (SecretError, ValueError) as error:
            raise AccountRefused(f"The key '{name}' of webhook.signing can't be used: {error}") from error
        at = self._services.now() // 1000
        return lambda content: signed(key, id, at, content)


def request_id(stage: StageView[Any], purpose: str) -> str:
    """Name one request of a stage: the same when it is sent again, another one once the stage is restarted."""
    return hashlib.sha256(f"{stage.id}-{stage.started_at}-{purpose}".encode()).hexdigest()
