"""`gennaker config provider kubernetes account …`"""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gennaker.cli.options import GATE_URL, GateOption, Output, OutputOption, show_json
from gennaker.exits import Exit, GennakerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gennaker.accounts.places import Place

config = typer.Typer(help="The settings: edit them, keeping comments.", no_args_is_help=True)
_provider = typer.Typer(help="Providers and their accounts.", no_args_is_help=True)
_kubernetes = typer.Typer(help="Kubernetes.", no_args_is_help=True)
accounts = typer.Typer(help="Kubernetes accounts.", no_args_is_help=True)
config.add_typer(_provider, name="provider")
_provider.add_typer(_kubernetes, name="kubernetes")
_kubernetes.add_typer(accounts, name="account")

_FILE = Path("gennaker.yml")
NameArgument = Annotated[str, typer.Argument(help="The account's name.")]
FileOption = Annotated[
    Path, typer.Option("--config", envvar="GENNAKER_CONFIG", help="The settings file to edit.", metavar="FILE")
]
StoredOption = Annotated[
    bool, typer.Option("--stored", help="In the running platform's database instead of the file; in effect at once.")
]
CommaOption = typer.Option(metavar="A,B", help="Separated by commas; empty for none.")
KubeconfigOption = Annotated[
    str | None, typer.Option(help="Its kubeconfig: a path where clouddriver runs, or a reference (secret://…).")
]
ContentsOption = Annotated[
    Path | None, typer.Option(help="Copy a kubeconfig from here into the account.", metavar="FILE")
]
ContextOption = Annotated[str | None, typer.Option(help="The kubeconfig's context.")]
ServiceAccountOption = Annotated[bool | None, typer.Option(help="Use the service account of clouddriver's pod.")]
ListOption = Annotated[str | None, CommaOption]
ManagedOption = Annotated[bool | None, typer.Option(help="Watch only what Spinnaker deployed.")]
EnvironmentOption = Annotated[str | None, typer.Option(help="What kind of environment it is, such as prod.")]
ProxyOption = Annotated[str | None, typer.Option(help="The HTTP proxy to the API server.", metavar="URL")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of an account; the value is YAML.")
]
UnsetOption = Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Take a key away.")]


@accounts.command("add")
def add(
    name: NameArgument,
    kubeconfig_file: KubeconfigOption = None,
    kubeconfig_contents: ContentsOption = None,
    context: ContextOption = None,
    service_account: ServiceAccountOption = None,
    namespaces: ListOption = None,
    omit_namespaces: ListOption = None,
    kinds: ListOption = None,
    omit_kinds: ListOption = None,
    only_spinnaker_managed: ManagedOption = None,
    read_permissions: ListOption = None,
    write_permissions: ListOption = None,
    environment: EnvironmentOption = None,
    proxy_url: ProxyOption = None,
    set_: SetOption = None,
    file: FileOption = _FILE,
    stored: StoredOption = False,
    gate_url: GateOption = GATE_URL,
) -> None:
    """Add an account."""
    given = _given(**{key: value for key, value in locals().items() if key in _OPTIONS})
    with _place(file, gate_url, stored=stored) as place:
        place.add(_with(given, {"name": name}, set_, None))
    _done(f"Account {name} is added", file, stored=stored)


@accounts.command("edit")
def edit(
    name: NameArgument,
    kubeconfig_file: KubeconfigOption = None,
    kubeconfig_contents: ContentsOption = None,
    context: ContextOption = None,
    service_account: ServiceAccountOption = None,
    namespaces: ListOption = None,
    omit_namespaces: ListOption = None,
    kinds: ListOption = None,
    omit_kinds: ListOption = None,
    only_spinnaker_managed: ManagedOption = None,
    read_permissions: ListOption = None,
    write_permissions: ListOption = None,
    environment: EnvironmentOption = None,
    proxy_url: ProxyOption = None,
    set_: SetOption = None,
    unset: UnsetOption = None,
    file: FileOption = _FILE,
    stored: StoredOption = False,
    gate_url: GateOption = GATE_URL,
) -> None:
    """Change what is given of an account; the rest stays."""
    given = _given(**{key: value for key, value in locals().items() if key in _OPTIONS})
    with _place(file, gate_url, stored=stored) as place:
        place.change(_with(given, place.get(name), set_, unset))
    _done(f"Account {name} is changed", file, stored=stored)


@accounts.command("delete")
def delete(
    name: NameArgument, file: FileOption = _FILE, stored: StoredOption = False, gate_url: GateOption = GATE_URL
) -> None:
    """Delete an account."""
    with _place(file, gate_url, stored=stored) as place:
        place.delete(name)
    _done(f"Account {name} is deleted", file, stored=stored)


@accounts.command("list")
def list_all(
    file: FileOption = _FILE,
    stored: StoredOption = False,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """List the accounts."""
    with _place(file, gate_url, stored=stored) as place:
        found = sorted(place.list(), key=lambda account: str(account.get("name")))
    if output is Output.json:
        show_json(found)
        return
    from gennaker.cli.tables import table

    table(
        ("NAME", "KUBECONFIG", "CONTEXT", "NAMESPACES"),
        [
            (each.get("name"), _way_in(each), each.get("context"), ", ".join(each.get("namespaces") or []))
            for each in found
        ],
    )


@accounts.command("check")
def check(
    name: NameArgument,
    view: Annotated[bool, typer.Option("--view", help="Leave out what only deploying needs.")] = False,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Print only the RBAC objects that are missing, for `kubectl apply -f -`.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="Ask from this machine, with the settings file, instead of the platform.")
    ] = False,
    file: FileOption = _FILE,
    gate_url: GateOption = GATE_URL,
    output: OutputOption = Output.human,
) -> None:
    """Say, verb by verb and kind by kind, what an account may do, and give the RBAC objects that are missing.

    The exit code is 1 when something is missing, or the cluster can't be asked.
    """
    from gennaker.accounts.checking import check_by_gate, check_here, show_check

    purpose = "view" if view else "deploy"
    found = check_here(file, name, purpose) if here else check_by_gate(gate_url, name, purpose)
    if output is Output.json:
        show_json(found)
    elif manifest:
        print(found.get("manifest") or "", end="")
    else:
        show_check(found)
    raise typer.Exit(Exit.OK if found["ok"] else Exit.FAILED)


_OPTIONS = {
    "kubeconfig_file": "kubeconfigFile",
    "kubeconfig_contents": "kubeconfigContents",
    "context": "context",
    "service_account": "serviceAccount",
    "namespaces": "namespaces",
    "omit_namespaces": "omitNamespaces",
    "kinds": "kinds",
    "omit_kinds": "omitKinds",
    "only_spinnaker_managed": "onlySpinnakerManaged",
    "read_permissions": "permissions.READ",
    "write_permissions": "permissions.WRITE",
    "environment": "environment",
    "proxy_url": "proxyUrl",
}
_LISTS = frozenset({"namespaces", "omitNamespaces", "kinds", "omitKinds", "permissions.READ", "permissions.WRITE"})


def _given(**options: Any) -> dict[str, Any]:
    """Give what was said on the command line, by the account's keys."""
    given: dict[str, Any] = {}
    for option, value in options.items():
        if value is None:
            continue
        key = _OPTIONS[option]
        if isinstance(value, Path):
            value = _contents(value)
        given[key] = [part.strip() for part in value.split(",") if part.strip()] if key in _LISTS else value
    return given


def _contents(file: Path) -> str:
    try:
        return file.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise GennakerError(f"{file} can't be read: {reason}.", Exit.USAGE) from error


def _with(
    given: dict[str, Any], account: dict[str, Any], settings: list[str] | None, unset: list[str] | None
) -> dict[str, Any]:
    """Lay what was given over an account; dotted keys lead into maps."""
    from gennaker.accounts.changing import put, read_assignment, take

    changed = account
    for key, value in [*given.items(), *map(read_assignment, settings or [])]:
        changed = put(changed, key, value)
    for key in unset or []:
        changed = take(changed, key)
    return changed


def _way_in(account: dict[str, Any]) -> str:
    if account.get("kubeconfigFile"):
        return str(account["kubeconfigFile"])
    ways = {"kubeconfigContents": "(in the account)", "url": account.get("url"), "serviceAccount": "(the pod's own)"}
    return str(next((said for key, said in ways.items() if account.get(key)), "(as kubectl)"))


@contextmanager
def _place(file: Path, gate_url: str, *, stored: bool) -> "Iterator[Place]":
    from gennaker.accounts.places import InFile, InPlatform

    if not stored:
        yield InFile(file)
        return
    from gennaker.gate import Gate

    with Gate(gate_url) as gate:
        yield InPlatform(gate)


def _done(what: str, file: Path, *, stored: bool) -> None:
    where = "in the platform" if stored else f"in {file}; a running platform reads it when it is started anew"
    print(f"{what} {where}.")
