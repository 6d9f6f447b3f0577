"""The two places where accounts are defined, behind one face."""

from pathlib import Path
from typing import Any, Protocol

from gennaker.accounts.settings_file import SettingsFile
from gennaker.exits import Exit, GennakerError
from gennaker.gate import Gate

Account = dict[str, Any]


class Place(Protocol):
    """Where accounts are defined. Every failure is a `GennakerError`."""

    def list(self) -> "list[Account]":
        """List the definitions."""
        ...

    def get(self, name: str) -> Account:
        """Give one; exit code 4 when there is none of that name."""
        ...

    def add(self, account: Account) -> None:
        """Add one; refused when there is one of that name."""
        ...

    def change(self, account: Account) -> None:
        """Put a definition in the place of that of its name."""
        ...

    def delete(self, name: str) -> None:
        """Delete one."""
        ...


class InFile:
    """Accounts in a settings file; its comments, and what is said of other things, stay as they are."""

    def __init__(self, path: Path) -> None:
        self._file = SettingsFile(path)

    def list(self) -> "list[Account]":
        """List the definitions."""
        return [dict(account) for account in self._file.accounts()]

    def get(self, name: str) -> Account:
        """Give one; exit code 4 when there is none of that name."""
        for account in self.list():
            if account.get("name") == name:
                return account
        raise self._absent(name)

    def add(self, account: Account) -> None:
        """Add one; refused when there is one of that name."""
        if any(known.get("name") == account["name"] for known in self.list()):
            raise GennakerError(
                f"{self._file.path} has an account '{account['name']}' already. Change it with 'account edit'.",
                Exit.REFUSED,
            )
        _check(account)
        self._file.add(account)
        self._file.save()

    def change(self, account: Account) -> None:
        """Put a definition in the place of that of its name."""
        self.get(account["name"])
        _check(account)
        self._file.change(account)
        self._file.save()

    def delete(self, name: str) -> None:
        """Delete one."""
        self.get(name)
        self._file.remove(name)
        self._file.save()

    def _absent(self, name: str) -> GennakerError:
        known = ", ".join(f"'{account.get('name')}'" for account in self.list()) or "none"
        return GennakerError(f"{self._file.path} has no account '{name}' (accounts: {known}).", Exit.NOT_FOUND)


class InPlatform:
    """Accounts that a running platform keeps in its database; it takes changes up at once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> "list[Account]":
        """List the definitions."""
        found: list[Account] = self._gate.get("credentials", "type", "kubernetes", limit=10_000)
        return found

    def get(self, name: str) -> Account:
        """Give one; exit code 4 when there is none of that name."""
        found: list[Account] = self._gate.get("credentials", "type", "kubernetes", startingAccountName=name, limit=1)
        if found and found[0].get("name") == name:
            return found[0]
        raise GennakerError(f"The platform keeps no account '{name}' in its database.", Exit.NOT_FOUND)

    def add(self, account: Account) -> None:
        """Add one; refused when there is one of that name."""
        self._gate.post("credentials", body={"type": "kubernetes", **account})

    def change(self, account: Account) -> None:
        """Put a definition in the place of that of its name."""
        self._gate.put("credentials", account["name"], body={"type": "kubernetes", **account})

    def delete(self, name: str) -> None:
        """Delete one."""
        self._gate.delete("credentials", name)


def _check(account: Account) -> None:
    from clouddriver.credentials.definitions import check_settings
    from kork.errors import BadRequest

    try:
        check_settings(account)
    except BadRequest as error:
        raise GennakerError(error.message, Exit.USAGE) from error
