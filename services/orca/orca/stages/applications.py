"""`createApplication`, `updateApplication`, `upsertApplication`, `deleteApplication`."""

from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError
from pydantic import BaseModel, ConfigDict, Field

from orca.execution.model import JsonMap
from orca.stages.definition import (
    Services,
    Stage,
    StageContext,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    stage,
    succeeded,
)
from orca.stages.front50_tasks import document
from orca.stages.operations import maps

_TASKS = "com.netflix.spinnaker.orca.applications.tasks"
_BACKOFF_MS = 2_000
_UPSERT_TIMEOUT_MS = 3_600_000
_DELETE_TIMEOUT_MS = 300_000


class ApplicationFields(BaseModel):
    """An application; only its name matters here, front50 knows the rules of the rest."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)
    permissions: dict[str, Any] | None = None


class ApplicationContext(StageContext):
    """`application` with its fields."""

    application: ApplicationFields


def _fields(stage: StageView[ApplicationContext]) -> JsonMap:
    given = cast(JsonMap, stage.raw["application"])
    return {key: value for key, value in given.items() if key != "permissions"}


def _find(services: Services, name: str) -> JsonMap | None:
    try:
        return document(services.front50.get(f"/v2/applications/{quote(name, safe='')}"), "front50's answer")
    except UpstreamError as error:
        if error.status != 404:
            raise
        return None


@io_task(
    name="upsertApplication",
    implementing_class=f"{_TASKS}.UpsertApplicationTask",
    backoff=_BACKOFF_MS,
    timeout=_UPSERT_TIMEOUT_MS,
)
def upsert_application(stage: StageView[ApplicationContext], services: Services) -> TaskResult:
    """Create the application, or change it when it is there; then set its permissions, if any are given."""
    application, wanted = stage.context.application, _fields(stage)
    name, front50 = application.name.strip(), services.front50
    existing = _find(services, name)
    if existing is None:
        new_state = front50.post("/v2/applications", json=wanted)
    else:
        new_state = front50.patch(f"/v2/applications/{quote(name, safe='')}", json=wanted)
    if application.permissions is not None:
        permissions: JsonMap = {"name": name, "permissions": application.permissions}
        front50.put(f"/permissions/applications/{quote(name, safe='')}", json=permissions)
    outputs: JsonMap = {"previousState": existing or {}, "newState": new_state}
    return succeeded({"notification.type": stage.type.lower()}, outputs)


@stage("createApplication")
class CreateApplication(Stage[ApplicationContext]):
    """Create an application; one of that name is changed, as in Spinnaker."""

    def tasks(self, stage: StageView[ApplicationContext]):
        _ = stage.context
        yield upsert_application.named("createApplication")


@stage("updateApplication")
class UpdateApplication(Stage[ApplicationContext]):
    """Change an application."""

    def tasks(self, stage: StageView[ApplicationContext]):
        _ = stage.context
        yield upsert_application.named("updateApplication")


@stage("upsertApplication")
class UpsertApplication(Stage[ApplicationContext]):
    """Create or change an application."""

    def tasks(self, stage: StageView[ApplicationContext]):
        _ = stage.context
        yield upsert_application


@io_task(
    name="verifyNoDependencies",
    implementing_class=f"{_TASKS}.VerifyApplicationHasNoDependenciesTask",
    backoff=_BACKOFF_MS,
    timeout=_DELETE_TIMEOUT_MS,
)
def verify_no_dependencies(stage: StageView[ApplicationContext], services: Services) -> TaskResult:
    """Fail when the application still has clusters in the cloud."""
    name = stage.context.application.name
    try:
        found = services.clouddriver.get(f"/applications/{quote(name, safe='')}")
    except UpstreamError as error:
        if error.status != 404:
            raise
        return succeeded()
    clusters: Any = cast(JsonMap, found).get("clusters") if isinstance(found, dict) else None
    if not isinstance(clusters, dict) or not any(cast(JsonMap, clusters).values()):
        return succeeded()
    listed = [
        f"{each.get('name')} ({account})" for account, group in cast(JsonMap, clusters).items() for each in maps(group)
    ]
    told = ", ".join(listed[:20]) or "see its infrastructure"
    raise TaskFailure(
        f"Application '{name}' still has clusters: {told}. Delete them first.",
        error="Application has outstanding dependencies",
    )


@io_task(
    name="deleteApplication",
    implementing_class=f"{_TASKS}.DeleteApplicationTask",
    backoff=_BACKOFF_MS,
    timeout=_DELETE_TIMEOUT_MS,
)
def delete_application(stage: StageView[ApplicationContext], services: Services) -> TaskResult:
    """Delete an application with its permissions; nothing to do when it isn't there."""
    name = quote(stage.context.application.name.strip(), safe="")
    existing = _find(services, stage.context.application.name.strip())
    services.front50.delete(f"/v2/applications/{name}")
    services.front50.delete(f"/permissions/applications/{name}")
    return succeeded({"notification.type": "deleteapplication"}, {"previousState": existing or {}})


@stage("deleteApplication")
class DeleteApplication(Stage[ApplicationContext]):
    """Delete an application that has nothing in the cloud any more."""

    def tasks(self, stage: StageView[ApplicationContext]):
        _ = stage.context
        yield verify_no_dependencies
        yield delete_application
