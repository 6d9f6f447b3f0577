"""`/{provider}/ops`, `/ops` and `/task`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from kork.app import run_sync
from kork.bodies import JsonBody
from kork.caller import CurrentUser
from kork.database import Database
from kork.errors import BadRequest, NotFound
from kork.identity import Identity
from kork.ids import new_ulid

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.operations import rules
from clouddriver.operations.bells import Ring
from clouddriver.operations.catalogue import operation_names, require_provider
from clouddriver.operations.store import OperationStore

RequestId = Annotated[str | None, Query(alias="clientRequestId", max_length=500)]


def operations_router(database: Database, accounts: Accounts, ring: Ring) -> APIRouter:
    """Make the routes by which operations are asked for and followed."""
    router = APIRouter(tags=["operations"])
    store = OperationStore(database)

    def submit(provider: str, body: Any, request_id: str | None, user: Identity) -> dict[str, str]:
        require_provider(provider)
        steps = rules.read_steps(body)
        rules.validate(provider, steps, accounts, user)
        operation_id, new = store.submit(request_id or new_ulid(), provider, steps, user.user)
        if new:
            ring(operation_id)
        return {"id": operation_id, "resourceUri": f"/task/{operation_id}"}

    @router.post("/ops")
    async def any_operations(body: JsonBody, user: CurrentUser, request_id: RequestId = None) -> dict[str, str]:
        """Ask for operations of the provider that their `cloudProvider` names."""
        return await run_sync(submit, _provider_in(body), body, request_id, user)

    @router.post("/ops/{operation}")
    async def any_operation(
        operation: str, body: JsonBody, user: CurrentUser, request_id: RequestId = None
    ) -> dict[str, str]:
        """Ask for one operation of the provider that its `cloudProvider` names."""
        steps = [{operation: body}]
        return await run_sync(submit, _provider_in(steps), steps, request_id, user)

    @router.post("/{provider}/ops")
    async def operations(
        provider: str, body: JsonBody, user: CurrentUser, request_id: RequestId = None
    ) -> dict[str, str]:
        """Ask for operations, done one after the other; a `clientRequestId` that is known gives the first answer."""
        return await run_sync(submit, provider, body, request_id, user)

    @router.post("/{provider}/ops/{operation}")
    async def operation(
        provider: str, operation: str, body: JsonBody, user: CurrentUser, request_id: RequestId = None
    ) -> dict[str, str]:
        """Ask for one operation."""
        return await run_sync(submit, provider, [{operation: body}], request_id, user)

    @router.get("/task")
    def running_tasks() -> list[dict[str, Any]]:
        """List the operations that have not ended."""
        return [rules.present(operation) for operation in store.running()]

    @router.get("/task/{task_id}")
    def task(task_id: str) -> dict[str, Any]:
        """Say how an operation is. 404 when there is none of that id."""
        operation = store.find(task_id)
        if operation is None:
            raise NotFound(f"Task not found (id: {task_id}). Tasks are kept for four days after their end.")
        return rules.present(operation)

    @router.get("/features/stages")
    def stages() -> list[dict[str, Any]]:
        """List the operations that there are."""
        return [{"name": name, "enabled": True} for name in operation_names()]

    return router


def _provider_in(body: Any) -> str:
    for step in rules.read_steps(body):
        [description] = step.values()
        provider = description.get("cloudProvider")
        if isinstance(provider, str) and provider:
            return provider
    raise BadRequest("No operation says its 'cloudProvider'. Give it, or ask at /{provider}/ops.")
