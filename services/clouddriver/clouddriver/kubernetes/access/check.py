"""Checking an account: what it may do in its cluster, verb by verb and kind by kind, and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clouddriver.kubernetes.access.manifests import as_yaml, rbac_objects
from clouddriver.kubernetes.access.needs import Need, Purpose, kinds_not_served, needs_of
from clouddriver.kubernetes.access.review import Verdict, review, who_am_i
from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.health import AccountHealth, diagnose


@dataclass(frozen=True, slots=True)
class ScopeCheck:
    """What is allowed in a namespace, or (empty) in the whole cluster.

    One that is not `required` shows only where the account does work.
    """

    namespace: str
    required: bool
    verdicts: Sequence[Verdict]

    @property
    def lacks(self) -> bool:
        """Say whether something that is needed is not allowed."""
        return self.required and any(verdict.missing for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """The outcome of a check; `trouble` when the cluster could not be asked at all."""

    account: str
    purpose: Purpose
    user: str | None = None
    scopes: Sequence[ScopeCheck] = ()
    not_served: Sequence[str] = ()
    trouble: AccountHealth | None = None
    hint: str = ""
    lacking: Mapping[str, Sequence[Need]] = field(default_factory=dict[str, Sequence[Need]])

    @property
    def ok(self) -> bool:
        """Say whether the account has all that it needs."""
        return self.trouble is None and not self.not_served and not any(scope.lacks for scope in self.scopes)

    def manifest(self) -> str:
        """Give the RBAC objects that are missing, as YAML; empty when nothing is."""
        return as_yaml(rbac_objects(self.account, self.user, self.lacking)) if self.lacking else ""


def check_account(account: Account, purpose: Purpose = "deploy") -> AccountCheck:
    """Ask an account's cluster what the account may do there. Trouble with the cluster is part of the answer."""
    try:
        return _check(account, purpose)
    except KubernetesError as error:
        origin = account.settings.kubeconfig_file or "the account's settings"
        return AccountCheck(account.name, purpose, trouble=diagnose(error, account.name, origin))


def _check(account: Account, purpose: Purpose) -> AccountCheck:
    client = account.client
    kinds = client.rediscover()
    user = who_am_i(client)
    needs = needs_of(account, kinds, purpose)
    by_scope = _by_scope(needs, account.settings.namespaces)
    scopes = [ScopeCheck(name, True, review(client, wanted, name)) for name, wanted in by_scope.items()]
    hint = ""
    if not account.settings.namespaces and any(scope.lacks for scope in scopes):
        own = client.connection.namespace
        within = review(client, [need for need in needs if need.namespaced], own)
        scopes.append(ScopeCheck(own, False, within))
        hint = (
            "The account names no 'namespaces', so it needs rights in the whole cluster. "
            "If it is for some namespaces only, name them: then rights in these are enough."
        )
    lacking = {scope.namespace: by_scope[scope.namespace] for scope in scopes if scope.lacks}
    return AccountCheck(
        account.name, purpose, user, scopes, kinds_not_served(account, kinds), hint=hint, lacking=lacking
    )


def _by_scope(needs: Sequence[Need], namespaces: Sequence[str]) -> dict[str, list[Need]]:
    """Say what is needed where; the whole cluster is the empty namespace."""
    if not namespaces:
        return {"": list(needs)}
    whole = [need for need in needs if not need.namespaced]
    within = [need for need in needs if need.namespaced]
    return ({"": whole} if whole else {}) | dict.fromkeys(namespaces, within)


def present(check: AccountCheck) -> dict[str, Any]:
    """Give a check as JSON."""
    return {
        "account": check.account,
        "purpose": check.purpose,
        "ok": check.ok,
        "user": check.user,
        "reason": check.trouble.reason if check.trouble else None,
        "fix": check.trouble.fix if check.trouble else check.hint or None,
        "notServed": list(check.not_served),
        "scopes": [
            {
                "namespace": scope.namespace or None,
                "required": scope.required,
                "kinds": [
                    {
                        "kind": verdict.need.kind,
                        "group": verdict.need.group,
                        "resource": verdict.need.resource,
                        "verbs": {verb: verb in verdict.allowed for verb in verdict.need.verbs},
                        "missing": verdict.missing,
                    }
                    for verdict in scope.verdicts
                ],
            }
            for scope in check.scopes
        ],
        "missing": _missing(check),
        "manifest": check.manifest() or None,
    }


def _missing(check: AccountCheck) -> list[str]:
    lines = [f"The cluster has no kind '{name}', which the account names." for name in check.not_served]
    for scope in check.scopes:
        where = f"in namespace '{scope.namespace}'" if scope.namespace else "in the whole cluster"
        for verdict in scope.verdicts if scope.required else ():
            if verdict.missing:
                group = f".{verdict.need.group}" if verdict.need.group else ""
                lines.append(f"{', '.join(verdict.missing)} {verdict.need.resource}{group} {where}")
    return lines
