"""Checking what an account may do: through gate, or from this machine; and showing it."""

from pathlib import Path
from typing import Any

from gennaker.cli.tables import table
from gennaker.configuration import Configuration
from gennaker.exits import Exit, GennakerError
from gennaker.gate import Gate

_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")


def check_by_gate(gate_url: str, name: str, purpose: str) -> dict[str, Any]:
    """Let the platform check the account."""
    with Gate(gate_url) as gate:
        return gate.get("credentials", name, "check", purpose=purpose)


def check_here(file: Path, name: str, purpose: Any) -> dict[str, Any]:
    """Check an account of a settings file from this machine."""
    from clouddriver.kubernetes.access.check import check_account, present
    from clouddriver.kubernetes.accounts import Account
    from clouddriver.settings import ClouddriverSettings

    settings = Configuration(file).settings(ClouddriverSettings).kubernetes
    found = next((account for account in settings.accounts if account.name == name), None)
    if found is None:
        known = ", ".join(f"'{account.name}'" for account in settings.accounts) or "none"
        raise GennakerError(f"{file} has no account '{name}' (accounts: {known}).", Exit.NOT_FOUND)
    account = Account(found, timeout=settings.request_timeout_seconds)
    try:
        return present(check_account(account, purpose))
    finally:
        account.close()


def show_check(check: dict[str, Any]) -> None:
    """Print a check: a table for each scope, what is missing, and what mends it."""
    if check["reason"]:
        print(f"{check['reason']}\n{check['fix']}")
        return
    print(f"{check['account']} is {check['user'] or 'somebody that the cluster does not name'} in its cluster.")
    for scope in check["scopes"]:
        where = f"Namespace {scope['namespace']}" if scope["namespace"] else "The whole cluster"
        print(f"\n{where}{'' if scope['required'] else ', for information'}:")
        table(("KIND", *(verb.upper() for verb in _VERBS)), [_row(kind) for kind in scope["kinds"]])
    if not check["ok"]:
        print("\nMissing:")
        for line in check["missing"]:
            print(f"  {line}")
        if check["fix"]:
            print(check["fix"])
    if check["manifest"]:
        print("\nWho administers the cluster can grant it with `kubectl apply -f -`:\n")
        print(check["manifest"], end="")
    elif check["ok"]:
        print("\nThe account has all that it needs.")


def _row(kind: dict[str, Any]) -> tuple[str, ...]:
    name = f"{kind['kind']}.{kind['group']}" if kind["group"] else kind["kind"]
    said = {True: "yes", False: "NO"}
    return (name, *(said[kind["verbs"][verb]] if verb in kind["verbs"] else "" for verb in _VERBS))
