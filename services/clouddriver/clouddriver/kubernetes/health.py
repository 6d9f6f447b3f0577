"""How an account is, why, and what to do about it. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from clouddriver.kubernetes.errors import BadConfiguration, KubernetesError
from clouddriver.kubernetes.watch import Scope

AccountStatus = Literal["UP", "DEGRADED", "DOWN"]


class ScopeState(StrEnum):
    """How the watch of one kind stands."""

    SYNCING = "SYNCING"
    WATCHING = "WATCHING"
    POLLING = "POLLING"
    FORBIDDEN = "FORBIDDEN"
    FAILING = "FAILING"


@dataclass(frozen=True, slots=True)
class ScopeStanding:
    """The state of a scope; `reason` in the server's words when it is not well."""

    scope: Scope
    state: ScopeState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """How an account is: `DOWN` works not at all, `DEGRADED` in part; `fix` is what an operator can do."""

    status: AccountStatus
    reason: str = ""
    fix: str = ""


STARTING = AccountHealth("DEGRADED", "The account has not been checked yet.", "Wait some seconds.")
UNWATCHED = AccountHealth(
    "DEGRADED",
    "No process watches this account's cluster: what is shown may be old; manifests are read from the cluster itself.",
    "Start `python -m clouddriver cache`, or see in its log why it stopped.",
)


def diagnose(error: KubernetesError, account: str, origin: str) -> AccountHealth:
    """Say what is wrong with an account whose cluster can't be worked with at all."""
    if isinstance(error, BadConfiguration):
        return AccountHealth("DOWN", error.message, error.fix)
    if error.status == 401:
        return AccountHealth(
            "DOWN",
            f"The API server doesn't know who account '{account}' is: {error.message}. Its token or certificate "
            "has expired or is wrong.",
            f"Renew the credentials in {origin}; they are read again when the file changes.",
        )
    if error.status == 403:
        return AccountHealth("DOWN", f"The API server refuses account '{account}': {error.message}", _grant([], error))
    if error.status == 0:
        hint = "Check that the API server runs and that clouddriver can reach it"
        if "certificate" in error.message.lower():
            hint = "Check the certificate authority"
        return AccountHealth("DOWN", error.message, f"{hint}; its address is in {origin}.")
    return AccountHealth(
        "DOWN",
        f"The API server answers with errors ({error.status} {error.reason}): {error.message}",
        "See the API server's own health (`kubectl get --raw /readyz?verbose`).",
    )


def judge(
    standings: Sequence[ScopeStanding], *, namespaces_declared: bool, confined_to: Sequence[str] = ()
) -> AccountHealth:
    """Judge an account whose cluster answers, by how its watches stand.

    `confined_to` are the namespaces that are watched because the cluster as a whole may not be.
    """
    forbidden = [
        standing
        for standing in standings
        if standing.state is ScopeState.FORBIDDEN
        and not (namespaces_declared and standing.scope.served.kind == "Namespace")
    ]
    failing = [standing for standing in standings if standing.state is ScopeState.FAILING]
    polling = [standing for standing in standings if standing.state is ScopeState.POLLING]
    reasons: list[str] = []
    fixes: list[str] = []
    if forbidden:
        reasons.append(f"It may not list {_names(forbidden)}.")
        fixes.append(_grant(forbidden))
    if confined_to and not namespaces_declared:
        reasons.append(f"It may not list the whole cluster, so only namespace {_quoted(confined_to)} is watched.")
        fixes.append("Name the namespaces that it is for under 'namespaces' of the account.")
    if failing:
        reasons.append(f"{_names(failing)} can't be read: {failing[0].reason}")
        fixes.append("It is tried again; see the API server's log if it stays so.")
    if polling:
        reasons.append(f"It may not watch {_names(polling)}, so they are listed from time to time.")
        fixes.append(_grant(polling))
    if forbidden and len(forbidden) == len(standings):
        reasons = ["It may not list anything.", *reasons[1:], f"The server says: {forbidden[0].reason}"]
        return AccountHealth("DOWN", " ".join(reasons), " ".join(dict.fromkeys(fixes)))
    if reasons:
        return AccountHealth("DEGRADED", " ".join(reasons), " ".join(dict.fromkeys(fixes)))
    return AccountHealth("UP")


def _names(standings: Iterable[ScopeStanding]) -> str:
    named = dict.fromkeys(str(standing.scope) for standing in standings)
    return ", ".join(named)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _grant(standings: Sequence[ScopeStanding], error: KubernetesError | None = None) -> str:
    """Give the commands that grant what is missing."""
    said = " ".join(standing.reason for standing in standings) + (error.message if error else "")
    found = re.search(r'User "([^"]+)"', said)
    user = found[1] if found else "<the account's user>"
    whole = [standing.scope for standing in standings if not standing.scope.namespace]
    commands: list[str] = []
    if whole:
        commands.append(_role("clusterrole", "", whole, user))
    for namespace in dict.fromkeys(s.scope.namespace for s in standings if s.scope.namespace):
        within = [standing.scope for standing in standings if standing.scope.namespace == namespace]
        commands.append(_role("role", f"-n {namespace} ", within, user))
    granted = " && ".join(commands)
    return f"Grant it: {granted}" if granted else f"Grant '{user}' the rights that the message names."


def _role(kind: str, where: str, scopes: Sequence[Scope], user: str) -> str:
    resources = ",".join(
        dict.fromkeys(f"{s.served.plural}.{s.served.group}" if s.served.group else s.served.plural for s in scopes)
    )
    role = "gennaker-view"
    return (
        f"kubectl {where}create {kind} {role} --verb=get,list,watch --resource={resources} && "
        f"kubectl {where}create {kind}binding {role} --{kind}={role} --user={user}"
    )
