"""Credentials that an operator keeps for webhooks: headers and signatures that no stage can read or redirect.

An account is for the addresses under its prefixes only, so that a stage can't have its headers sent elsewhere.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kork.identity import Identity

from orca.webhooks.addresses import is_under
from orca.webhooks.settings import WebhookAccount, WebhookSettings


def _headers() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What goes with a request beside what the stage says: `headers`, and the name of the key that signs it."""

    headers: Mapping[str, Any] = field(default_factory=_headers)
    signing: str | None = None


NO_CREDENTIALS = Credentials()


class AccountRefused(ValueError):
    """The account can't be used for this; the message says why."""

    exception_type = "IllegalArgumentException"


def account_named(settings: WebhookSettings, name: str | None) -> WebhookAccount | None:
    """Find an account among the settings. Raises `AccountRefused` when one is required and none is named."""
    if not name:
        if settings.require_account:
            raise AccountRefused("account: every webhook has to name one here (webhook.requireAccount).")
        return None
    return next((account for account in settings.accounts if account.name == name), None)


def credentials_of(account: WebhookAccount, user: Identity, urls: Collection[str]) -> Credentials:
    """Give an account's credentials for requests to `urls`. Raises `AccountRefused`."""
    if not user.admin and not account.may_use(frozenset(user.roles)):
        roles = ", ".join(account.permissions["WRITE"])
        raise AccountRefused(
            f"'{user.user}' may not use the webhook account '{account.name}': it needs one of {roles}."
        )
    for url in urls:
        if not any(is_under(url, prefix) for prefix in account.url_prefixes):
            prefixes = ", ".join(account.url_prefixes)
            raise AccountRefused(f"The webhook account '{account.name}' is for addresses under {prefixes}, not {url}.")
    return Credentials(account.headers, account.signing)
