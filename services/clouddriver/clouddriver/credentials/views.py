"""Accounts in Spinnaker's shapes. Pure; never shows a kubeconfig, a token or where one is."""

from collections.abc import Sequence
from typing import Any

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.kinds import CATALOGUE
from clouddriver.kubernetes.settings import KubernetesAccountSettings
from clouddriver.kubernetes.states import AccountState
from clouddriver.settings import CredentialsSettings


def collapsed(account: KubernetesAccountSettings, settings: CredentialsSettings) -> dict[str, Any]:
    """Give the short form of an account."""
    permissions = account.permissions
    return {
        "name": account.name,
        "accountId": None,
        "environment": account.environment,
        "accountType": account.account_type,
        "cloudProvider": "kubernetes",
        "type": "kubernetes",
        "requiredGroupMembership": [] if permissions.restricted else account.required_group_membership,
        "permissions": _permissions(account),
        "challengeDestructiveActions": account.environment in settings.challenge_destructive_actions_environments,
        "primaryAccount": account.account_type in settings.primary_account_types,
    }


def expanded(
    account: KubernetesAccountSettings, settings: CredentialsSettings, namespaces: Sequence[str]
) -> dict[str, Any]:
    """Give the long form: with namespaces, and on which shelf each kind is."""
    kinds = {kind.name: str(kind.spinnaker_kind) for kind in CATALOGUE}
    kinds |= {custom.kubernetes_kind: custom.spinnaker_kind for custom in account.custom_resources}
    return collapsed(account, settings) | {
        "enabled": account.enabled,
        "namespaces": [name for name in namespaces if name not in account.omit_namespaces],
        "omitNamespaces": account.omit_namespaces,
        "kinds": account.kinds,
        "omitKinds": account.omit_kinds,
        "spinnakerKindMap": kinds,
        "dockerRegistries": [registry.model_dump(by_alias=True) for registry in account.docker_registries],
        "cacheThreads": 1,
        "onlySpinnakerManaged": account.only_spinnaker_managed,
        "metrics": account.metrics,
    }


def account_health(account: Account, state: AccountState) -> dict[str, Any]:
    """Say how an account is, with each kind's freshness (times in ISO 8601)."""
    return {
        "name": account.name,
        "type": "kubernetes",
        "status": state.health.status,
        "reason": state.health.reason or None,
        "fix": state.health.fix or None,
        "checkedAt": state.checked_at.isoformat() if state.checked_at else None,
        "kinds": [
            {
                "kind": kind.kind,
                "group": kind.group,
                "namespace": kind.namespace or None,
                "state": kind.state,
                "reason": kind.reason or None,
                "syncedAt": kind.synced_at.isoformat() if kind.synced_at else None,
            }
            for kind in state.kinds
        ],
    }


def broken_account(name: str, fault: str) -> dict[str, Any]:
    """Say that an account's definition can't be used."""
    return {
        "name": name,
        "type": "kubernetes",
        "status": "DOWN",
        "reason": f"Its definition can't be used: {fault}",
        "fix": f"Define the account anew: `gennaker config provider kubernetes account edit {name} --stored`.",
        "checkedAt": None,
        "kinds": [],
    }


def _permissions(account: KubernetesAccountSettings) -> dict[str, list[str]]:
    permissions = account.permissions
    named = {"READ": permissions.read, "WRITE": permissions.write, "EXECUTE": permissions.execute}
    return {action: roles for action, roles in named.items() if roles}
