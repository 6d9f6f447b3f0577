"""Changing single keys of an account. Pure."""

from typing import Any, cast

from ruamel.yaml import YAML, YAMLError

from gennaker.exits import Exit, GennakerError


def read_assignment(text: str) -> tuple[str, Any]:
    """Read `key=value`, the value as YAML. Raises `GennakerError`, exit code 2."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise GennakerError(f"'{text}' sets nothing; write KEY=VALUE.", Exit.USAGE)
    try:
        return key, YAML(typ="safe").load(value)
    except YAMLError as error:
        raise GennakerError(f"The value of '{key}' is not YAML: {value}", Exit.USAGE) from error


def put(account: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Give the account with a key set; `a.b` is key `b` of the map `a`."""
    first, dot, rest = key.partition(".")
    if not dot:
        return {**account, first: value}
    below: Any = account.get(first)
    return {**account, first: put(cast(dict[str, Any], below) if isinstance(below, dict) else {}, rest, value)}


def take(account: dict[str, Any], key: str) -> dict[str, Any]:
    """Give the account without a key, and without a map that has nothing else."""
    first, dot, rest = key.partition(".")
    below: Any = account.get(first)
    kept = {name: value for name, value in account.items() if name != first}
    if not dot or not isinstance(below, dict):
        return kept
    left = take(cast(dict[str, Any], below), rest)
    return {**account, first: left} if left else kept
