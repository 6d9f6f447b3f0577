"""References to secrets: their forms, the common stores, and what is said of those that can't be used."""

from pathlib import Path

import pytest
from kork.secrets import SecretError, SecretReference, is_reference, read_reference, resolve


@pytest.mark.parametrize(
    ("text", "store", "path", "parameters"),
    [
        ("secret://env/NAME", "env", "NAME", {}),
        ("secret://file//etc/token", "file", "/etc/token", {}),
        ("secret://k8s?ns=a&n=b&k=c", "kubernetes", "", {"ns": "a", "n": "b", "k": "c"}),
        ("encrypted:k8s!n:b!k:c", "kubernetes", "", {"n": "b", "k": "c"}),
        ("encryptedFile:file!p:/a:b", "file", "", {"p": "/a:b"}),
        ("encrypted:secrets-manager!r:eu!s:x", "aws-secrets-manager", "", {"r": "eu", "s": "x"}),
    ],
)
def test_references_are_taken_apart(text: str, store: str, path: str, parameters: dict[str, str]):
    assert is_reference(text)
    assert read_reference(text) == SecretReference(text, store, path, parameters)


@pytest.mark.parametrize("text", ["/etc/kube", "apiVersion: v1", "encrypt", ""])
def test_what_is_no_reference_is_taken_as_it_is(text: str):
    assert not is_reference(text)


def test_secrets_come_from_the_environment_a_file_or_a_given_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_SECRET", "one")
    (tmp_path / "token").write_text("two")
    assert resolve("secret://env/TEST_SECRET") == resolve("encrypted:env!n:TEST_SECRET") == "one"
    assert resolve(f"secret://file/{tmp_path}/token") == resolve(f"encryptedFile:file!p:{tmp_path}/token") == "two"
    assert resolve("encrypted:noop!v:three") == "three"
    assert resolve("secret://mine/x", {"mine": lambda reference: reference.path * 2}) == "xx"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("secret://env/ABSENT_IN_TESTS", "no environment variable 'ABSENT_IN_TESTS'"),
        ("secret://file//absent/in/tests", "No such file"),
        ("secret://vault/x", "There are 'env', 'file', 'noop'"),
        ("encrypted:s3", "needs a store and what to fetch"),
        ("secret://", "needs a store"),
        ("encrypted:env!n", "'n' has no ':'"),
        ("encrypted:env!n:a!n:b", "'n' is there twice"),
        ("encrypted:env!x:a", "has no 'n' or 'name'"),
        ("nothing", "is no reference"),
    ],
)
def test_a_reference_that_cannot_be_used_says_why(text: str, says: str):
    with pytest.raises(SecretError, match=says):
        resolve(text)
