"""What can be done with applications."""

from typing import NoReturn

from kork.database import Database
from kork.documents import Document
from kork.errors import BadRequest, NotFound
from sqlalchemy import Connection

from front50 import history
from front50.applications import rules
from front50.applications.store import ApplicationStore
from front50.notifications.store import NotificationStore
from front50.permissions.store import PermissionStore
from front50.pipelines.store import PipelineStore
from front50.settings import ApplicationNameValidatorSettings


class ApplicationService:
    """Applications, each call in a transaction of its own."""

    def __init__(self, database: Database, names: ApplicationNameValidatorSettings) -> None:
        self._database = database
        self._names = names

    def find_all(self, attributes: dict[str, str]) -> list[Document]:
        """List the applications that match all `attributes`; all of them, by name, without any."""
        with self._database.connect() as connection:
            permissions = PermissionStore(connection).all()
            applications = ApplicationStore(connection).all()
        found = [rules.present(app, permissions.get(rules.name_of(app.body).lower())) for app in applications]
        return rules.search(found, attributes)

    def get(self, name: str) -> Document:
        """Give one application, or raise `NotFound`."""
        with self._database.connect() as connection:
            return _present(connection, name)

    def create(self, body: Document, user: str) -> Document:
        """Add an application; its name must be free."""
        rules.validate(body, self._names)
        name = rules.name_of(body)
        with self._database.begin() as connection:
            store = ApplicationStore(connection)
            if store.lock(name) is not None:
                raise BadRequest(f"Application already exists: {name}. Change it with PATCH /v2/applications/{name}.")
            store.save(name, body, user)
            return _present(connection, name)

    def patch(self, name: str, change: Document, user: str) -> Document:
        """Change what `change` names; the rest stays."""
        rules.require_same_name(change, name)
        with self._database.begin() as connection:
            store = ApplicationStore(connection)
            existing = store.lock(name) or _missing(name)
            merged = rules.merge(existing.body, change)
            rules.validate(merged, self._names)
            store.save(name, merged, user)
            return _present(connection, name)

    def replace(self, name: str, body: Document, user: str) -> Document:
        """Put `body` in the place of the whole application."""
        rules.require_same_name(body, name)
        rules.validate(body, self._names)
        with self._database.begin() as connection:
            store = ApplicationStore(connection)
            if store.lock(name) is None:
                _missing(name)
            store.save(name, body, user)
            return _present(connection, name)

    def delete(self, name: str, user: str) -> None:
        """Delete an application, its pipelines, strategies and notifications. Nothing to do when absent.

        Its permissions stay until they are deleted themselves, as in Spinnaker.
        """
        with self._database.begin() as connection:
            store = ApplicationStore(connection)
            store.lock(name)
            store.delete(name, user)
            for kind in ("pipeline", "strategy"):
                PipelineStore(connection, kind).delete_all_of(name, user)
            NotificationStore(connection).delete(name)

    def history(self, name: str, limit: int) -> list[Document]:
        """List what the application was, newest first."""
        with self._database.connect() as connection:
            versions = history.versions(connection, "application", name.strip().lower(), limit)
        return [rules.present(version) for version in versions]


def _present(connection: Connection, name: str) -> Document:
    stored = ApplicationStore(connection).find(name) or _missing(name)
    return rules.present(stored, PermissionStore(connection).find(name))


def _missing(name: str) -> NoReturn:
    raise NotFound(f"Application not found (id: {name.strip()})")
