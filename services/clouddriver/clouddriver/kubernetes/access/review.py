"""Asking an API server what we may do there.

Source: Kubernetes' `authorization.k8s.io/v1`: a SelfSubjectRulesReview lists all rules of a namespace at once; where
it can't (for the whole cluster, or with an authorizer that keeps its rules to itself), a SelfSubjectAccessReview
answers for one verb.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from clouddriver.kubernetes.access.needs import Need
from clouddriver.kubernetes.client import KubernetesClient
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.manifest import items, mapping

_AT_ONCE = 8
_ALL = Need("*", "*", "*", False, ())


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of the verbs that are needed are allowed."""

    need: Need
    allowed: frozenset[str]

    @property
    def missing(self) -> list[str]:
        """List the verbs that are needed and not allowed."""
        return [verb for verb in self.need.verbs if verb not in self.allowed]


def who_am_i(client: KubernetesClient) -> str | None:
    """Ask who we are to the server; None where it is too old to say. Raises `KubernetesError`."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", None, body)
    except KubernetesError as error:
        if error.status in (403, 404):
            return None
        raise
    name = mapping(mapping(answer.get("status")).get("userInfo")).get("username")
    return name if isinstance(name, str) else None


def review(client: KubernetesClient, needs: Sequence[Need], namespace: str) -> list[Verdict]:
    """Say what of `needs` is allowed in a namespace, or (empty) in the whole cluster. Raises `KubernetesError`."""
    if namespace:
        rules = _rules(client, namespace)
        if rules is not None:
            return [Verdict(need, allowed_by(rules, need)) for need in needs]
    elif _may(client, _ALL, "*", ""):
        return [Verdict(need, frozenset(need.verbs)) for need in needs]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda need: Verdict(need, _allowed_one_by_one(client, need, namespace)), needs))


def allowed_by(rules: Iterable[dict[str, Any]], need: Need) -> frozenset[str]:
    """Say which verbs rules (`ResourceRule`) allow on all objects of a resource. Pure."""
    of_this = [rule for rule in rules if _is_about(rule, need)]
    return frozenset(verb for verb in need.verbs if any(_has(rule, "verbs", verb) for rule in of_this))


def _is_about(rule: dict[str, Any], need: Need) -> bool:
    subresource = need.resource.partition("/")[2]
    names = (need.resource, f"*/{subresource}") if subresource else (need.resource,)
    # A rule for objects by name is none for a kind.
    return (
        not rule.get("resourceNames")
        and _has(rule, "apiGroups", need.group)
        and any(_has(rule, "resources", name) for name in names)
    )


def _has(rule: dict[str, Any], key: str, value: str) -> bool:
    listed: Any = rule.get(key)
    return isinstance(listed, list) and (value in listed or "*" in listed)


def _rules(client: KubernetesClient, namespace: str) -> list[dict[str, Any]] | None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    status = mapping(
        client.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", None, body).get("status")
    )
    return None if status.get("incomplete") else items(status.get("resourceRules"))


def _allowed_one_by_one(client: KubernetesClient, need: Need, namespace: str) -> frozenset[str]:
    if _may(client, need, "*", namespace):
        return frozenset(need.verbs)
    return frozenset(verb for verb in need.verbs if _may(client, need, verb, namespace))


def _may(client: KubernetesClient, need: Need, verb: str, namespace: str) -> bool:
    resource, _, subresource = need.resource.partition("/")
    attributes = {"verb": verb, "group": need.group, "resource": resource, "subresource": subresource}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "namespace": namespace}},
    }
    answer = client.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", None, body)
    return mapping(answer.get("status")).get("allowed") is True
