"""Where permissions are kept, and what they look like."""

from typing import Any, cast

from kork.clock import now_ms
from kork.documents import Document, as_object, write_json
from kork.errors import BadRequest
from sqlalchemy import Connection, text

AUTHORIZATIONS = ("READ", "WRITE", "EXECUTE", "CREATE")


class PermissionStore:
    """Permissions of applications within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, application: str) -> Document | None:
        """Give the permissions of an application, or None when none were saved."""
        row = self._connection.execute(
            text("SELECT body, updated_at, updated_by FROM permission WHERE id = :id"),
            {"id": _key(application)},
        ).one_or_none()
        return _present(*row) if row else None

    def all(self) -> dict[str, Document]:
        """Give all permissions by the lower-case name of the application."""
        rows = self._connection.execute(text("SELECT id, body, updated_at, updated_by FROM permission")).all()
        return {row[0]: _present(*row[1:]) for row in rows}

    def save(self, application: str, body: Document, user: str) -> Document:
        """Write the permissions of an application."""
        self._connection.execute(
            text(
                "INSERT INTO permission (id, body, version, created_at, updated_at, updated_by)"
                " VALUES (:id, CAST(:body AS json), 1, :now, :now, :by)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body, version = permission.version + 1,"
                " updated_at = GREATEST(excluded.updated_at, permission.updated_at + 1),"
                " updated_by = excluded.updated_by"
            ),
            {"id": _key(application), "body": write_json(body).decode(), "now": now_ms(), "by": user},
        )
        saved = self.find(application)
        assert saved is not None
        return saved

    def delete(self, application: str) -> None:
        """Forget the permissions of an application, if there are any."""
        self._connection.execute(text("DELETE FROM permission WHERE id = :id"), {"id": _key(application)})


def normalize(body: Document, application: str) -> Document:
    """Check a permission document and bring the old `requiredGroupMembership` into today's form."""
    granted = as_object(body.get("permissions") or {}, "'permissions'")
    unknown = [key for key in granted if key not in AUTHORIZATIONS]
    if unknown:
        raise BadRequest(
            f"'permissions' has the unknown authorization '{unknown[0]}'; known are {', '.join(AUTHORIZATIONS)}."
        )
    permissions = {key: _groups(value, f"permissions.{key}") for key, value in granted.items()}
    legacy = _groups(body.get("requiredGroupMembership"), "requiredGroupMembership")
    if legacy and not any(permissions.values()):
        permissions = {"READ": legacy, "WRITE": legacy}
    rest = {key: value for key, value in body.items() if key != "requiredGroupMembership"}
    return rest | {"name": application.strip(), "permissions": permissions}


def _groups(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or any(not isinstance(item, str) for item in cast(list[Any], value)):
        raise BadRequest(f"'{where}' must be a list of group names.")
    return [group.strip().lower() for group in cast(list[str], value)]


def _present(body: Document, updated_at: int, updated_by: str) -> Document:
    return body | {"lastModified": updated_at, "lastModifiedBy": updated_by}


def _key(application: str) -> str:
    return application.strip().lower()
