"""`gennaker config provider kubernetes account`, on a settings file."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from clouddriver.settings import ClouddriverSettings
from gennaker.accounts.changing import put, take
from gennaker.cli.app import app
from gennaker.exits import Exit
from kork.settings import load_settings
from typer.testing import CliRunner, Result

COMMENTED = """\
# The platform of the shop.
cors:
  allowedOriginsPattern: "https://shop[.]example[.]com"   # the shop

kubernetes:
  accounts:
    # The old cluster.
    - name: prod
      kubeconfigFile: /etc/kube/prod   # mounted
      namespaces: [shop, "web"]
    - name: test
      kubeconfigFile: /etc/kube/test

# Done.
"""
FLUSH = """\
kubernetes:
  # Halyard wrote this.
  accounts:
  - name: prod
    kubeconfigFile: /etc/kube/prod
    omitNamespaces:
    - kube-system
"""


class Command:
    """Runs `gennaker config provider kubernetes account` on one file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, *arguments: str) -> Result:
        command = ["config", "provider", "kubernetes", "account", *arguments, "--config", str(self.file)]
        return CliRunner().invoke(app, command)

    def done(self, *arguments: str) -> str:
        done = self(*arguments)
        assert done.exit_code == Exit.OK, done.output
        return done.output

    def accounts(self) -> dict[str, Any]:
        settings = load_settings(ClouddriverSettings, file=self.file, env={})
        return {account.name: account for account in settings.kubernetes.accounts}


@pytest.fixture
def account(tmp_path: Path) -> Command:
    return Command(tmp_path / "gennaker.yml")


def test_a_new_file_is_for_its_owner_only_and_is_read_by_the_platform(account: Command):
    account.done("add", "prod", "--kubeconfig-file", "secret://kubernetes/ns/kube/config", "--namespaces", "a, b")
    assert stat.S_IMODE(account.file.stat().st_mode) == 0o600
    prod = account.accounts()["prod"]
    assert (prod.kubeconfig_file, prod.namespaces) == ("secret://kubernetes/ns/kube/config", ["a", "b"])


@pytest.mark.parametrize("text", [COMMENTED, FLUSH])
def test_adding_and_deleting_leaves_the_file_as_it_was(account: Command, text: str):
    account.file.write_text(text)
    account.file.chmod(0o640)
    account.done("add", "new", "--context", "c", "--set", "customResources=[{kubernetesKind: Gizmo.example.com}]")
    assert [line for line in text.splitlines() if line not in account.file.read_text().splitlines()] == []
    assert account.accounts()["new"].custom_resources[0].kubernetes_kind == "Gizmo.example.com"
    assert stat.S_IMODE(account.file.stat().st_mode) == 0o640
    account.done("delete", "new")
    assert account.file.read_text() == text


def test_an_edit_changes_what_it_names_and_no_other_line(account: Command):
    account.file.write_text(COMMENTED)
    account.done(
        "edit", "test", "--read-permissions", "dev,ops", "--write-permissions", "ops", "--set", "metrics=false"
    )
    before, after = COMMENTED.splitlines(), account.file.read_text().splitlines()
    assert [line for line in before if line not in after] == []
    test = account.accounts()["test"]
    assert (test.permissions.read, test.permissions.write, test.metrics) == (["dev", "ops"], ["ops"], False)
    account.done("edit", "test", "--unset", "permissions.READ", "--unset", "metrics")
    test = account.accounts()["test"]
    assert (test.permissions.read, test.permissions.write, test.metrics) == ([], ["ops"], True)
    account.done("edit", "prod", "--namespaces", "", "--only-spinnaker-managed")
    assert (account.accounts()["prod"].namespaces, account.accounts()["prod"].only_spinnaker_managed) == ([], True)
    assert "# mounted" in account.file.read_text()


def test_a_kubeconfig_is_copied_into_an_account(account: Command, tmp_path: Path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: c\nclusters: [{name: k, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\nusers: [{name: u, user: {token: t}}]\n"
    )
    account.done("add", "copied", "--kubeconfig-contents", str(kubeconfig))
    assert account.accounts()["copied"].kubeconfig_contents == kubeconfig.read_text()


def test_accounts_are_listed_for_people_and_for_scripts(account: Command):
    account.file.write_text(COMMENTED)
    lines = account.done("list").splitlines()
    assert lines[0].split() == ["NAME", "KUBECONFIG", "CONTEXT", "NAMESPACES"]
    assert lines[1].split() == ["prod", "/etc/kube/prod", "–", "shop,", "web"]
    assert [each["name"] for each in json.loads(account.done("list", "-o", "json"))] == ["prod", "test"]


@pytest.mark.parametrize(
    ("text", "arguments", "code", "says"),
    [
        (COMMENTED, ("add", "prod"), Exit.REFUSED, "has an account 'prod' already"),
        (COMMENTED, ("edit", "absent"), Exit.NOT_FOUND, "no account 'absent' (accounts: 'prod', 'test')"),
        (COMMENTED, ("delete", "absent"), Exit.NOT_FOUND, "no account 'absent'"),
        (COMMENTED, ("check", "absent", "--here"), Exit.NOT_FOUND, "no account 'absent'"),
        (COMMENTED, ("edit", "prod", "--omit-namespaces", "x"), Exit.USAGE, "either 'namespaces' or 'omitNamespaces'"),
        (COMMENTED, ("edit", "prod", "--set", "namespace=[a]"), Exit.USAGE, "Did you mean 'namespaces'?"),
        (COMMENTED, ("edit", "prod", "--set", "namespaces"), Exit.USAGE, "write KEY=VALUE"),
        (COMMENTED, ("edit", "prod", "--set", "kinds=["), Exit.USAGE, "'kinds' is not YAML"),
        (COMMENTED, ("add", "x", "--kubeconfig-contents", "/absent"), Exit.USAGE, "/absent can't be read"),
        ("a: [", ("list",), Exit.USAGE, "is not YAML at line 1"),
        ("- a", ("list",), Exit.USAGE, "must hold a map of sections"),
        ("kubernetes: {accounts: {a: b}}", ("list",), Exit.USAGE, "'kubernetes.accounts' in"),
        ("kubernetes: []", ("list",), Exit.USAGE, "'kubernetes' in"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_file_stays(
    account: Command, text: str, arguments: tuple[str, ...], code: Exit, says: str
):
    account.file.write_text(text)
    done = account(*arguments)
    assert (done.exit_code, says in done.stderr) == (code, True), done.output
    assert account.file.read_text() == text


def test_a_check_of_a_cluster_that_cannot_be_asked_fails_with_the_reason(account: Command):
    account.file.write_text(COMMENTED)
    done = account("check", "prod", "--here")
    assert (done.exit_code, "/etc/kube/prod" in done.output) == (Exit.FAILED, True)


def test_dotted_keys_lead_into_maps():
    account = put(put({"name": "x"}, "a.b", 1), "a.c", 2)
    assert account == {"name": "x", "a": {"b": 1, "c": 2}}
    assert take(account, "a.b") == {"name": "x", "a": {"c": 2}}
    assert take(take(account, "a.b"), "a.c") == {"name": "x"}
    assert take(account, "absent.b") == account
