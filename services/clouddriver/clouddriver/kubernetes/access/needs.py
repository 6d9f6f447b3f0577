"""What an account needs to be allowed, kind by kind. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from clouddriver.kubernetes.accounts import Account
from clouddriver.kubernetes.discovery import Kinds, ServedKind
from clouddriver.kubernetes.scopes import watched_kinds

Purpose = Literal["view", "deploy"]

VIEW = ("get", "list", "watch")
CHANGE = ("create", "update", "patch", "delete")
VERBS = (*VIEW, *CHANGE)

_RBAC = "rbac.authorization.k8s.io"
# Who deploys workloads needs no right to change these.
_ONLY_VIEWED = frozenset({("", "Namespace"), (_RBAC, "Role"), (_RBAC, "RoleBinding")})


@dataclass(frozen=True, slots=True)
class Need:
    """Verbs on a resource (`deployments`, `pods/log`) of an API group; `kind` is for people."""

    kind: str
    group: str
    resource: str
    namespaced: bool
    verbs: tuple[str, ...]


def needs_of(account: Account, kinds: Kinds, purpose: Purpose) -> list[Need]:
    """List what an account needs to be viewed, or also deployed with: by its settings and what its cluster serves."""
    return [*_watched(account, kinds, purpose), *_beside(account, kinds, purpose)]


def kinds_not_served(account: Account, kinds: Kinds) -> list[str]:
    """List the kinds that the account's settings name and its cluster doesn't have."""
    settings = account.settings
    named = dict.fromkeys([*settings.kinds, *(custom.kubernetes_kind for custom in settings.custom_resources)])
    return [name for name in named if kinds.find(name.partition(".")[0], name.partition(".")[2] or None) is None]


def _watched(account: Account, kinds: Kinds, purpose: Purpose) -> Iterable[Need]:
    for served in watched_kinds(account, kinds):
        if served.kind == "Namespace" and not served.group and account.settings.namespaces:
            continue
        changes = purpose == "deploy" and (served.group, served.kind) not in _ONLY_VIEWED
        yield _need(served, (*VIEW, *CHANGE) if changes else VIEW)


def _beside(account: Account, kinds: Kinds, purpose: Purpose) -> Iterable[Need]:
    """List what is not watched: logs of pods, events of failures, revisions that a rollout is undone to."""
    pods, events = kinds.find("Pod", ""), kinds.find("Event", "")
    if pods and account.serves(pods):
        yield Need("Pod log", "", f"{pods.plural}/log", True, ("get",))
    if events:
        yield _need(events, ("list",))
    revisions = kinds.find("ControllerRevision", "apps")
    sets = (kinds.find("StatefulSet", "apps"), kinds.find("DaemonSet", "apps"))
    if purpose == "deploy" and revisions and any(served and account.serves(served) for served in sets):
        yield _need(revisions, ("list",))


def _need(served: ServedKind, verbs: tuple[str, ...]) -> Need:
    usable = tuple(verb for verb in verbs if verb in served.verbs)
    return Need(served.kind, served.group, served.plural, served.namespaced, usable)
