"""`/instances/…/console`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from kork.app import JSONResponse
from kork.errors import Forbidden, NotFound

from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.document import items_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.manifest import ResourceRef

_TAIL_LINES = 10_000
_GONE = "Failed to retrieve pod data; pod may have been deleted."

TailLines = Annotated[int, Query(alias="tailLines", ge=1, le=_TAIL_LINES)]


def console_router(accounts: Accounts) -> APIRouter:
    """Make the route of consoles."""
    router = APIRouter(prefix="/instances", tags=["infrastructure"])

    @router.get("/{account}/{region}/{id}/console")
    def get_console(
        account: str, region: str, id: str, tail: TailLines = _TAIL_LINES, previous: Annotated[bool, Query()] = False
    ) -> Response:
        """Give the end of what each container of a pod (`pod <name>`) wrote, init containers first."""
        return JSONResponse({"output": console(accounts.get(account), region, id, tail, previous=previous)})

    return router


def console(account: Account, namespace: str, id: str, tail: int, *, previous: bool) -> list[dict[str, Any]]:
    """Read the logs of a pod's containers, each as `{name, output}`; what can't be read says why."""
    try:
        named = ResourceRef.parse(id, namespace)
    except ValueError as error:
        raise NotFound(str(error)) from error
    if not account.namespace_allowed(namespace) or not account.kind_allowed("pod"):
        raise Forbidden(f"Account '{account.name}' is not for pods in namespace '{namespace}'.")
    ref = ResourceRef(kind="Pod", group="", namespace=namespace, name=named.name)
    try:
        pod = account.client.get(ref)
        path = account.client.served("Pod", "").path(namespace, named.name, "log")
    except KubernetesError as error:
        return [{"name": "Error", "output": error.message}]
    if pod is None:
        return [{"name": "Error", "output": _GONE}]
    containers = items_at(pod, "spec", "initContainers") + items_at(pod, "spec", "containers")
    params = {"tailLines": str(tail)} | ({"previous": "true"} if previous else {})
    found: list[dict[str, Any]] = []
    for container in containers:
        name = str(container.get("name"))
        try:
            output = account.client.text(path, params | {"container": name})
        except KubernetesError as error:
            output = error.message
        found.append({"name": name, "output": output})
    return found
