"""What can be done with pipelines and strategies."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from kork.clock import EpochMillis
from kork.database import Database
from kork.documents import Document, as_object, json_type
from kork.errors import BadRequest, Conflict, NotFound, SpinnakerError
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from front50 import history
from front50.pipelines import rules
from front50.pipelines.store import PipelineKind, PipelineStore
from front50.templates.service import require_template


def _new_id() -> str:
    return str(uuid.uuid4())


class PipelineService:
    """Pipelines (or strategies), each call in a transaction of its own."""

    def __init__(self, database: Database, kind: PipelineKind, new_id: Callable[[], str] = _new_id) -> None:
        self._database = database
        self._kind: PipelineKind = kind
        self._new_id = new_id

    def find_all(self, selection: rules.Selection, updated_since: EpochMillis | None = None) -> list[Document]:
        """List the wanted pipelines of all applications, or of them only those saved since a moment (ms)."""
        with self._database.connect() as connection:
            store = self._store(connection)
            found = store.all() if updated_since is None else store.updated_since(updated_since)
        return selection.of(rules.present(stored) for stored in found)

    def of_application(self, application: str, selection: rules.Selection) -> list[Document]:
        """List the pipelines of one application in their order."""
        with self._database.connect() as connection:
            found = [rules.present(stored) for stored in self._store(connection).of_application(application)]
        wanted = rules.Selection(selection.enabled_pipelines, name_part=selection.name_part).of(found)
        return rules.in_order(wanted)[: selection.limit]

    def get(self, id: str) -> Document:
        """Give one pipeline, or raise `NotFound`."""
        with self._database.connect() as connection:
            return rules.present(self._store(connection).find(id) or self._missing(f"id: {id}"))

    def get_by_name(self, application: str, name: str) -> Document:
        """Give one pipeline by its name, or raise `NotFound`."""
        with self._database.connect() as connection:
            found = self._store(connection).find_by_name(application, name)
        return rules.present(found or self._missing(f"name: {name}, application: {application}"))

    def triggered_by(self, id: str, status: str) -> list[Document]:
        """List the pipelines that start when pipeline `id` ends with `status`."""
        with self._database.connect() as connection:
            return [rules.present(stored) for stored in self._store(connection).triggered_by(id, status)]

    def history(self, id: str, limit: int) -> list[Document]:
        """List what a pipeline was, newest first; empty when there never was one."""
        with self._database.connect() as connection:
            versions = history.versions(connection, self._kind, id.strip().lower(), limit)
        return [rules.present(version) for version in versions]

    def save(self, body: Document, user: str, *, stale_check: bool) -> Document:
        """Add a pipeline, or overwrite the one that has its id."""
        prepared = rules.prepare(body, self._new_id)
        with self._writing() as connection:
            return self._save(connection, prepared, user, stale_check=stale_check)

    def replace(self, id: str, body: Document, user: str, *, stale_check: bool) -> Document:
        """Overwrite the pipeline `id`, which must be there and be the one in the body."""
        prepared = rules.prepare(body, self._new_id)
        with self._writing() as connection:
            existing = self._store(connection).find(id) or self._missing(f"id: {id}")
            known = existing.body["id"]
            given = prepared.get("id")
            if not isinstance(given, str) or given.lower() != known.lower():
                raise BadRequest(f"The provided id {given} doesn't match the existing pipeline id {known}")
            return self._save(connection, prepared, user, stale_check=stale_check)

    def save_many(self, bodies: list[Document], user: str, *, stale_check: bool) -> Document:
        """Save each that can be saved; say which could not and why."""
        saved: list[str] = []
        failed: list[Document] = []
        seen: set[str] = set()
        with self._writing() as connection:
            for body in bodies:
                try:
                    prepared = rules.prepare(body, self._new_id)
                    id = str(prepared.get("id") or "").lower()
                    if id and id in seen:
                        raise BadRequest(f"Duplicate pipeline id {prepared['id']} found when processing pipelines")
                    # Two of one name within the batch: the second finds the first already written.
                    with connection.begin_nested():
                        self._save(connection, prepared, user, stale_check=stale_check)
                    seen.add(id)
                    saved.append(prepared["name"])
                except SpinnakerError as error:
                    failed.append(body | {"errorMsg": error.message})
        return {
            "successful_pipelines_count": len(saved),
            "successful_pipelines": saved,
            "failed_pipelines_count": len(failed),
            "failed_pipelines": failed,
        }

    def delete(self, id: str, user: str) -> None:
        """Delete a pipeline by its id, or raise `NotFound`."""
        with self._database.begin() as connection:
            store = self._store(connection)
            found = store.find(id) or self._missing(f"id: {id}")
            store.delete(found.body["id"], user)

    def delete_by_name(self, application: str, name: str, user: str) -> None:
        """Delete a pipeline by its name, or raise `NotFound`."""
        with self._database.begin() as connection:
            store = self._store(connection)
            found = store.find_by_name(application, name)
            found = found or self._missing(f"name: {name}, application: {application}")
            store.delete(found.body["id"], user)

    def reorder(self, request: Document, user: str) -> None:
        """Give pipelines of an application new places: `{application, idsToIndices: {id: index}}`."""
        application, places = _reordering(request)
        with self._writing() as connection:
            store = self._store(connection)
            store.lock(application)
            for id, index in places.items():
                stored = store.find(id) or self._missing(f"id: {id}")
                if stored.body["application"].lower() != application.lower():
                    raise BadRequest(
                        f"{self._kind.capitalize()} {id} belongs to application"
                        f" {stored.body['application']}, not to {application}"
                    )
                store.save(stored.body | {"index": index}, user)

    def _store(self, connection: Connection) -> PipelineStore:
        return PipelineStore(connection, self._kind)

    def _save(self, connection: Connection, prepared: Document, user: str, *, stale_check: bool) -> Document:
        store = self._store(connection)
        store.lock(prepared["application"])
        require_template(connection, prepared)
        id = prepared.get("id")
        existing = store.find(id) if isinstance(id, str) else None
        if stale_check:
            rules.check_not_stale(prepared, existing)
        namesake = store.find_by_name(prepared["application"], prepared["name"])
        if namesake and namesake.body["id"].lower() != str(id).lower():
            raise BadRequest(
                f"A {self._kind} with name {prepared['name']} already exists in application {prepared['application']}"
            )
        identity = existing.body["id"] if existing else (id or self._new_id())
        return rules.present(store.save(prepared | {"id": identity}, user))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._database.begin() as connection:
                yield connection
        except IntegrityError as error:
            # Two saves of one new id in two applications at once: locks are per application.
            raise Conflict("The same pipeline was saved by someone else just now; read it and try again.") from error

    def _missing(self, what: str) -> NoReturn:
        raise NotFound(f"{self._kind.capitalize()} not found ({what})")


def _reordering(request: Document) -> tuple[str, dict[str, int]]:
    application = request.get("application")
    if not isinstance(application, str) or not application.strip():
        raise BadRequest("`application` is required field on request body")
    if request.get("idsToIndices") is None:
        raise BadRequest("`idsToIndices` is required field on request body")
    places: dict[str, Any] = as_object(request["idsToIndices"], "'idsToIndices'")
    for id, index in places.items():
        if not isinstance(index, int) or isinstance(index, bool):
            raise BadRequest(f"'idsToIndices.{id}' must be a whole number, not {json_type(index)}.")
    return application.strip(), places
