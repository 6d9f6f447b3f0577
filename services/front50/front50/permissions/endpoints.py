"""`/permissions/applications`."""

from fastapi import APIRouter, Response
from kork.bodies import JsonObject, answer
from kork.caller import CurrentUser
from kork.database import Database
from kork.documents import Document
from kork.errors import BadRequest, NotFound

from front50.applications.rules import name_of
from front50.applications.store import ApplicationStore
from front50.permissions.store import PermissionStore, normalize


def permission_router(database: Database) -> APIRouter:
    """Make the routes of applications' permissions."""
    router = APIRouter(prefix="/permissions/applications", tags=["permissions"])

    @router.get("")
    def list_permissions() -> Response:
        """List the permissions of all applications; those without any have an entry that grants nothing."""
        with database.connect() as connection:
            saved = PermissionStore(connection).all()
            names = [name_of(application.body) for application in ApplicationStore(connection).all()]
        generated: list[Document] = [
            {"name": name, "lastModified": -1, "lastModifiedBy": "auto-generated", "permissions": {}}
            for name in names
            if name.lower() not in saved
        ]
        return answer(sorted([*saved.values(), *generated], key=lambda entry: entry["name"].lower()))

    @router.get("/{application}")
    def get_permissions(application: str) -> Response:
        """Give the permissions of one application; 404 when none were saved."""
        with database.connect() as connection:
            found = PermissionStore(connection).find(application)
        if found is None:
            raise NotFound(f"Application permission not found (id: {application})")
        return answer(found)

    @router.post("")
    def create_permissions(body: JsonObject, user: CurrentUser) -> Response:
        """Save the permissions of the application that the body names."""
        if not name_of(body):
            raise BadRequest("A permission needs the application's name in 'name'.")
        return _save(name_of(body), body, user.user)

    @router.put("/{application}")
    def replace_permissions(application: str, body: JsonObject, user: CurrentUser) -> Response:
        """Save the permissions of an application, whether there were some or not."""
        return _save(application, body, user.user)

    @router.delete("/{application}")
    def delete_permissions(application: str) -> Response:
        """Delete the permissions of an application; nothing to do when there are none."""
        with database.begin() as connection:
            PermissionStore(connection).delete(application)
        return Response(status_code=200)

    def _save(application: str, body: Document, user: str) -> Response:
        normal = normalize(body, application)
        with database.begin() as connection:
            return answer(PermissionStore(connection).save(application, normal, user))

    return router
