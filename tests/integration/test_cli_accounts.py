"""`gennaker config provider kubernetes account` against a running platform: defined, watched, checked, mended."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from gennaker.cli.app import app
from gennaker.exits import Exit
from gennaker.gate import Gate
from gennaker.platform import Platform
from testcluster import ClusterAccess, PolicyRule
from typer.testing import CliRunner, Result

READER: list[PolicyRule] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]


@pytest.fixture
def account(platform_with_cluster: Platform) -> Iterator[Callable[..., Result]]:
    """Run `gennaker config provider kubernetes account`; what it stores is deleted at the end."""

    def run(*arguments: str) -> Result:
        command = ["config", "provider", "kubernetes", "account", *arguments]
        return CliRunner().invoke(app, command, env={"GENNAKER_GATE": platform_with_cluster.gate_url})

    yield run
    for each in json.loads(run("list", "--stored", "-o", "json").stdout):
        run("delete", each["name"], "--stored")


def test_an_account_is_stored_watched_checked_mended_and_deleted(
    account: Callable[..., Result],
    platform_with_cluster: Platform,
    cluster: ClusterAccess,
    namespace: str,
    tmp_path: Path,
    wait_until: Callable[..., Any],
) -> None:
    name = f"narrow-{uuid4().hex[:8]}"
    kubeconfig = str(cluster.service_account_kubeconfig(namespace, "narrow", READER))
    added = account("add", name, "--stored", "--kubeconfig-contents", kubeconfig, "--namespaces", namespace)
    assert added.exit_code == Exit.OK, added.output
    again = account("add", name, "--stored", "--kubeconfig-contents", kubeconfig)
    assert (again.exit_code, "already exists" in again.stderr) == (Exit.REFUSED, True)
    assert name in account("list", "--stored").stdout

    with Gate(platform_with_cluster.gate_url) as gate:

        def health() -> str:
            return next((each["status"] for each in gate.get("accounts", "health") if each["name"] == name), "")

        wait_until(lambda: health() == "UP")

    lacking = account("check", name)
    assert lacking.exit_code == Exit.FAILED
    assert f"create, update, patch, delete deployments.apps in namespace '{namespace}'" in lacking.stdout
    assert account("check", name, "--view").exit_code == Exit.OK
    manifest = account("check", name, "--manifest").stdout
    cluster.kubectl("apply", "-f", "-", given=manifest)
    mended = account("check", name)
    assert (mended.exit_code, "has all that it needs" in mended.stdout) == (Exit.OK, True), mended.output

    edited = account("edit", name, "--stored", "--only-spinnaker-managed")
    assert edited.exit_code == Exit.OK, edited.output
    assert json.loads(account("list", "--stored", "-o", "json").stdout)[0]["onlySpinnakerManaged"] is True
    assert account("delete", name, "--stored").exit_code == Exit.OK
    assert account("check", name).exit_code == Exit.NOT_FOUND
    assert account("edit", name, "--stored").exit_code == Exit.NOT_FOUND


def test_an_account_of_the_settings_file_is_changed_there(account: Callable[..., Result]) -> None:
    refused = account("delete", "sandbox", "--stored")
    assert (refused.exit_code, "defined in gennaker.yml" in refused.stderr) == (Exit.REFUSED, True)
    assert account("check", "sandbox").exit_code == Exit.OK
