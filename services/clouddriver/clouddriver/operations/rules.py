"""What is accepted as a request for operations, who may ask for it, and how a task is shown. Pure."""

from collections.abc import Mapping
from typing import Any, cast

from kork.documents import json_type
from kork.errors import BadRequest, Forbidden
from kork.identity import Identity
from pydantic import ValidationError

from clouddriver.credentials.access import is_writer
from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.operations.catalogue import operation_named
from clouddriver.operations.context import Description, OperationType
from clouddriver.operations.store import Operation, Step


def read_steps(body: Any) -> list[Step]:
    """Read `[{"<operation>": {description}}, …]`; raise `BadRequest` saying which part is wrong."""
    if not isinstance(body, list) or not body:
        raise BadRequest(
            'The body must be a list of operations, as [{"deployManifest": {"account": …}}], '
            f"not {'an empty list' if body == [] else json_type(body)}."
        )
    return [_step(item, position) for position, item in enumerate(cast(list[Any], body), 1)]


def _step(item: Any, position: int) -> Step:
    if not isinstance(item, dict) or len(cast(dict[str, Any], item)) != 1:
        raise BadRequest(f'Operation {position} must be an object with one key, its name: {{"<operation>": {{…}}}}.')
    [(name, description)] = cast(dict[str, Any], item).items()
    if not isinstance(description, dict):
        raise BadRequest(f"The description of '{name}' must be an object, not {json_type(description)}.")
    return {name: cast(dict[str, Any], description)}


def validate(provider: str, steps: list[Step], accounts: Accounts, user: Identity) -> None:
    """Refuse what can't be done or may not be asked for, before anything is done.

    Raises `BadRequest` with every fault, or `Forbidden` with every account that the user may not change.
    """
    faults: list[str] = []
    denied: list[str] = []
    for step in steps:
        [(name, body)] = step.items()
        operation = operation_named(provider, name)
        try:
            description = read_description(operation, body)
        except ValidationError as error:
            faults += [_fault(name, dict(fault)) for fault in error.errors()]
            continue
        if description.account not in accounts:
            known = ", ".join(sorted(f"'{account.name}'" for account in accounts)) or "none"
            faults.append(f"{name}: there is no account '{description.account}' (accounts: {known}).")
            continue
        account = accounts.get(description.account)
        if not may_write(account, user):
            denied.append(f"Access denied to account {account.name}")
            continue
        faults += [f"{name}: {fault}" for fault in operation.check(description, account)]
    if denied:
        raise Forbidden(f"{'; '.join(denied)}: '{user.user}' has none of the account's WRITE roles.", errors=denied)
    if faults:
        raise BadRequest(" ".join(faults), errors=faults)


def read_description(operation: OperationType[Any], body: Mapping[str, Any]) -> Description:
    """Read a description; raises pydantic's `ValidationError`."""
    return operation.read(body)


def may_write(account: Account, user: Identity) -> bool:
    """Say whether a user may change what is in an account: everybody, unless the account names roles.

    Source: Fiat's ACCOUNT WRITE; roles are compared without regard to case.
    """
    settings = account.settings
    return is_writer(settings.permissions.model_dump(by_alias=True), settings.required_group_membership, user)


def present(operation: Operation) -> dict[str, Any]:
    """Give a task as Spinnaker answers it."""
    failed = operation.state == "FAILED"
    complete = operation.state != "STARTED"
    last = operation.history[-1] if operation.history else {"phase": "ORCHESTRATION", "status": ""}
    return {
        "id": operation.id,
        "ownerId": operation.owner,
        "requestId": operation.request_id,
        "startTimeMs": operation.started_at,
        "status": {
            "phase": last["phase"],
            "status": last["status"],
            "complete": complete,
            "completed": complete,
            "failed": failed,
            "retryable": False,
        },
        "history": operation.history,
        "resultObjects": operation.results,
        "outputs": [],
        "retryable": False,
        "sagaIds": [],
    }


def _fault(operation: str, fault: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{operation}: the field '{path}' is missing."
    message = str(fault["msg"]).removeprefix("Value error, ")
    where = f"the field '{path}' is wrong: " if path else ""
    return f"{operation}: {where}{message}."
