"""What can be done with templates."""

from collections.abc import Iterable

from kork.database import Database
from kork.documents import Document
from kork.errors import BadRequest, NotFound
from sqlalchemy import Connection

from front50.documents import Stored
from front50.pipelines.rules import present as present_pipeline
from front50.templates import rules
from front50.templates.store import TemplateStore


class DuplicateTemplate(BadRequest):
    """400: there is a template of that key already."""

    exception = "com.netflix.spinnaker.front50.exceptions.DuplicateEntityException"


class TemplateService:
    """Templates, each call in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_all(self, scopes: Iterable[str]) -> list[Document]:
        """List all versions of the templates in these scopes (of all, without any)."""
        wanted = list(scopes)
        with self._database.connect() as connection:
            found = [_present(stored) for stored in TemplateStore(connection).all()]
        return [each for each in found if rules.is_in_scope(each, wanted)]

    def versions(self, scopes: Iterable[str]) -> dict[str, list[Document]]:
        """List the versions of each template, by its id."""
        listed: dict[str, list[Document]] = {}
        for each in self.find_all(scopes):
            listed.setdefault(each["id"], []).append(each)
        return listed

    def get(self, id: str, tag: str | None, digest: str | None) -> Document:
        """Give one version, or raise `NotFound`."""
        key = rules.key_of(id, tag, digest)
        with self._database.connect() as connection:
            stored = TemplateStore(connection).find(key)
        if stored is None:
            raise NotFound(f"Pipeline template not found (id: {key})")
        return {name: value for name, value in _present(stored).items() if name not in ("tag", "digest")}

    def create(self, body: Document, tag: str | None, user: str) -> Document:
        """Add a version, which becomes the latest. Raises `DuplicateTemplate` when its key is taken."""
        prepared, wanted = rules.prepare(body, tag)
        with self._database.begin() as connection:
            store = TemplateStore(connection)
            store.lock(prepared["id"])
            key = rules.key_of(prepared["id"], wanted)
            if store.find(key) is not None:
                raise DuplicateTemplate(f"A pipeline template with the id {key} already exists")
            return self._write(store, prepared, wanted, user)

    def update(self, id: str, body: Document, tag: str | None, user: str) -> Document:
        """Overwrite a version, or add it; it becomes the latest."""
        prepared, wanted = rules.prepare(body, tag)
        if prepared["id"].lower() != rules.undecorated(id.strip().lower()):
            raise BadRequest(f"The provided id {prepared['id']} doesn't match the pipeline template id {id}")
        with self._database.begin() as connection:
            store = TemplateStore(connection)
            store.lock(id)
            return self._write(store, prepared, wanted, user)

    def delete(self, id: str, tag: str | None, digest: str | None, user: str) -> None:
        """Delete a version that no pipeline uses; without tag and digest one of which no version is used."""
        key = rules.key_of(id, tag, digest)
        with self._database.begin() as connection:
            store = TemplateStore(connection)
            store.lock(key)
            if store.find(key) is None:
                raise NotFound(f"Pipeline template not found (id: {key})")
            using = [pipeline["id"] for pipeline in _dependents(store, key)]
            if using:
                raise BadRequest(f"The following pipeline configs depend on this template: {', '.join(using)}")
            store.delete(key, user)

    def dependents(self, id: str) -> list[Document]:
        """List the pipelines that use a template, or the version that the id bears."""
        with self._database.connect() as connection:
            return _dependents(TemplateStore(connection), id)

    def _write(self, store: TemplateStore, body: Document, tag: str | None, user: str) -> Document:
        [first, *others] = rules.versions_to_write(body, tag)
        saved = store.save(*first, user)
        for key, version in others:
            if "digest" not in version or store.find(key) is None:
                store.save(key, version, user)
        for pipeline in _dependents(store, body["id"]):
            store.announce(pipeline)
        return _present(saved)


def require_template(connection: Connection, pipeline: Document) -> None:
    """Refuse to save a pipeline whose template isn't there; it can't be deleted until the transaction ends."""
    reference = rules.reference_of(pipeline)
    if reference is None:
        return
    store = TemplateStore(connection)
    store.lock(reference)
    if store.find(reference) is None:
        raise BadRequest(
            f"The pipeline uses the template '{rules.SPINNAKER}{reference}', which is not there; "
            "save the template first, or name one that `GET /v2/pipelineTemplates` lists."
        )


def _dependents(store: TemplateStore, key: str) -> list[Document]:
    found: list[Document] = []
    for stored in store.templated_pipelines():
        if stored.body.get("schema") != rules.SCHEMA:
            continue
        reference = rules.reference_of(stored.body)
        if reference is not None and rules.uses(reference, key):
            found.append(present_pipeline(stored))
    return found


def _present(stored: Stored) -> Document:
    return stored.body | {"updateTs": str(stored.updated_at), "lastModifiedBy": stored.updated_by}
