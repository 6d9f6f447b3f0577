"""Editing the accounts of a settings file, leaving comments, order and the other settings as they are."""

import os
import re
import stat
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import LiteralScalarString

from gennaker.exits import Exit, GennakerError

_LISTS_AT_THE_KEY = re.compile(r"^( *)[^\s#-][^\n]*:[ ]*\n\1- ", re.MULTILINE)
_WIDE = 4096
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR


class SettingsFile:
    """A settings file that may not be there yet. Raises `GennakerError`, exit code 2, for one that can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        text = self._read()
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._yaml.width = _WIDE
        if text is None or not _LISTS_AT_THE_KEY.search(text):
            self._yaml.indent(mapping=2, sequence=4, offset=2)
        self._document = self._parsed(text or "")

    def accounts(self) -> list[dict[str, Any]]:
        """List the Kubernetes accounts."""
        return list(self._accounts())

    def add(self, account: dict[str, Any]) -> None:
        """Add an account behind the others."""
        kubernetes: Any = self._document.setdefault("kubernetes", CommentedMap())
        if kubernetes.get("accounts") is None:
            kubernetes["accounts"] = CommentedSeq()
        kubernetes["accounts"].append(_as_yaml(account))

    def change(self, account: dict[str, Any]) -> None:
        """Make the account of that name say what `account` says; what stays the same keeps its comments."""
        known = next(each for each in self._accounts() if each.get("name") == account["name"])
        for key in [key for key in known if key not in account]:
            del known[key]
        for key, value in account.items():
            if known.get(key) != value:
                known[key] = _as_yaml(value)

    def remove(self, name: str) -> None:
        """Take an account out."""
        accounts = self._accounts()
        position = next(index for index, each in enumerate(accounts) if each.get("name") == name)
        del accounts[position]

    def save(self) -> None:
        """Write the file as a whole, with the rights that it had; a new one is for its owner only."""
        target = self.path.resolve()
        sink = StringIO()
        self._yaml.dump(self._document, sink)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else _OWNER_ONLY
        try:
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        except OSError as error:
            raise GennakerError(f"{self.path} can't be written: {error.strerror}.", Exit.USAGE) from error
        try:
            with open(descriptor, "w") as file:
                file.write(sink.getvalue())
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)
            os.replace(name, target)
        except OSError as error:
            os.unlink(name)
            raise GennakerError(f"{self.path} can't be written: {error.strerror}.", Exit.USAGE) from error

    def _accounts(self) -> CommentedSeq:
        kubernetes = self._document.get("kubernetes")
        accounts: Any = cast(CommentedMap, kubernetes).get("accounts") if isinstance(kubernetes, CommentedMap) else None
        return accounts if isinstance(accounts, CommentedSeq) else CommentedSeq()

    def _read(self) -> str | None:
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise GennakerError(f"{self.path} can't be read: {reason}.", Exit.USAGE) from error

    def _parsed(self, text: str) -> CommentedMap:
        try:
            document: Any = self._yaml.load(text)
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise GennakerError(f"{self.path} is not YAML{where}.", Exit.USAGE) from error
        document = CommentedMap() if document is None else document
        if not isinstance(document, CommentedMap):
            raise GennakerError(f"{self.path} must hold a map of sections.", Exit.USAGE)
        for path, kind, what in (
            (("kubernetes",), CommentedMap, "a map"),
            (("kubernetes", "accounts"), CommentedSeq, "a list"),
        ):
            found: Any = cast(Any, document)
            for part in path:
                found = found.get(part) if found is not None else None
            if found is not None and not isinstance(found, kind):
                raise GennakerError(f"'{'.'.join(path)}' in {self.path} must be {what}.", Exit.USAGE)
        return document


def _as_yaml(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap((key, _as_yaml(item)) for key, item in cast(dict[str, Any], value).items())
    if isinstance(value, list):
        items = cast(list[Any], value)
        sequence = CommentedSeq(_as_yaml(item) for item in items)
        if not any(isinstance(item, dict | list) for item in items):
            sequence.fa.set_flow_style()
        return sequence
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
