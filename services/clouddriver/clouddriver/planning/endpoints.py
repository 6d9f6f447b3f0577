"""`/kubernetes/manifests/plan`."""

from typing import Any

from fastapi import APIRouter, Response
from kork.app import JSONResponse
from kork.bodies import JsonObject
from kork.caller import CurrentUser
from kork.database import Database

from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.deploy import DEPLOY_MANIFEST
from clouddriver.kubernetes.dry_run import plan_deploy
from clouddriver.kubernetes.resources import ResourceStore
from clouddriver.kubernetes.settings import KubernetesSettings
from clouddriver.operations import rules
from clouddriver.operations.catalogue import KUBERNETES
from clouddriver.operations.promises import ForeseenVersions


def planning_router(
    database: Database, accounts: Accounts, resources: ResourceStore, settings: KubernetesSettings
) -> APIRouter:
    """Make the routes that say what an operation would do."""
    router = APIRouter(tags=["planning"])

    @router.post("/kubernetes/manifests/plan")
    def plan_manifests(body: JsonObject, user: CurrentUser) -> Response:
        """Say what a `deployManifest` of this description would do. It needs the same rights."""
        rules.validate(KUBERNETES, [{DEPLOY_MANIFEST.name: body}], accounts, user)
        description = DEPLOY_MANIFEST.read(body)
        account = accounts.get(description.account)
        planned: dict[str, Any] = plan_deploy(description, account, resources, settings, ForeseenVersions(database))
        return JSONResponse(planned)

    return router
