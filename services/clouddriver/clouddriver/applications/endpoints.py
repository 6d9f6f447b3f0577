"""`/applications` and what hangs below it; server groups, load balancers, firewalls and instances by place."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from kork.app import JSONResponse
from kork.errors import BadRequest, NotFound

from clouddriver.applications.resource_view import PROVIDER
from clouddriver.applications.service import ApplicationService, View

Flag = Annotated[bool, Query()]
OnlyEnabled = Annotated[bool, Query(alias="onlyEnabled")]
ValidateOldest = Annotated[bool, Query(alias="validateOldest")]
Text = Annotated[str | None, Query()]
Provider = Annotated[str | None, Query(alias="cloudProvider")]


def application_router(service: ApplicationService) -> APIRouter:
    """Make the routes of applications."""
    router = APIRouter(prefix="/applications", tags=["applications"])

    @router.get("")
    def list_applications() -> Response:
        """List the applications that have clusters."""
        return JSONResponse(service.applications())

    @router.get("/{application}")
    def get_application(application: str) -> Response:
        """Give one application with its clusters. 404 when it has none."""
        return JSONResponse(service.application(application))

    @router.get("/{application}/serverGroups")
    def list_server_groups(
        application: str, expand: Flag = False, clusters: Text = None, provider: Provider = None
    ) -> Response:
        """List server groups; `clusters` (`account:name`, comma-separated) narrows, and empty means none."""
        if provider not in (None, "", PROVIDER):
            return JSONResponse([])
        return JSONResponse(service.server_groups(application, expand=expand, clusters=_clusters(clusters)))

    @router.get("/{application}/serverGroups/{account}/{region}/{name}")
    def get_server_group(application: str, account: str, region: str, name: str) -> Response:
        """Give one server group. 404 when there is none."""
        return JSONResponse(service.server_group(account, region, name))

    @router.get("/{application}/serverGroupManagers")
    def list_managers(application: str) -> Response:
        """List what manages server groups: Deployments."""
        return JSONResponse(service.managers(application))

    @router.get("/{application}/loadBalancers")
    def list_load_balancers(application: str) -> Response:
        """List Services and Ingresses."""
        return JSONResponse(service.load_balancers(application))

    @router.get("/{application}/rawResources")
    def list_raw_resources(application: str) -> Response:
        """List everything of an application."""
        return JSONResponse(service.raw_resources(application))

    @router.get("/{application}/clusters")
    def list_clusters(application: str) -> Response:
        """List the names of clusters by account."""
        return JSONResponse(service.clusters(application))

    @router.get("/{application}/clusters/{account}")
    def list_account_clusters(application: str, account: str) -> Response:
        """List the clusters of an account in short. 404 when there are none."""
        return JSONResponse(service.account_clusters(application, account))

    @router.get("/{application}/clusters/{account}/{name}")
    def get_clusters(application: str, account: str, name: str) -> Response:
        """Give the clusters of a name, one per provider. 404 when there is none."""
        return JSONResponse([service.cluster(application, account, name)])

    @router.get("/{application}/clusters/{account}/{name}/{type}")
    def get_cluster(application: str, account: str, name: str, type: str) -> Response:
        """Give one cluster. 404 when there is none."""
        return JSONResponse(_cluster(application, account, name, type))

    @router.get("/{application}/clusters/{account}/{name}/{type}/serverGroups")
    def cluster_server_groups(application: str, account: str, name: str, type: str, region: Text = None) -> Response:
        """List a cluster's server groups in full."""
        return JSONResponse(_groups(application, account, name, type, region))

    @router.get("/{application}/clusters/{account}/{name}/{type}/serverGroups/{group}")
    def cluster_server_group(
        application: str, account: str, name: str, type: str, group: str, region: Text = None
    ) -> Response:
        """Give a server group of a cluster: one object with `region`, a list of them without."""
        found = [view for view in _groups(application, account, name, type, region) if view["name"] == group]
        if not found:
            raise NotFound(f"There is no server group '{group}' in cluster '{name}'.")
        return JSONResponse(found[0] if region else found)

    @router.get("/{application}/clusters/{account}/{name}/{type}/{scope}/serverGroups/target/{target}")
    def target_server_group(
        application: str,
        account: str,
        name: str,
        type: str,
        scope: str,
        target: str,
        only_enabled: OnlyEnabled = False,
        validate_oldest: ValidateOldest = True,
    ) -> Response:
        """Choose a server group of a cluster: current, previous, oldest, largest, fail. 404 when none is meant."""
        groups = _groups(application, account, name, type, scope)
        chosen = service.target(groups, target, only_enabled=only_enabled, validate_oldest=validate_oldest)
        return JSONResponse(chosen)

    def _cluster(application: str, account: str, name: str, type: str) -> View:
        if type != PROVIDER:
            raise NotFound(f"There is no provider '{type}'.")
        return service.cluster(application, account, name)

    def _groups(application: str, account: str, name: str, type: str, region: str | None) -> list[View]:
        groups: list[View] = _cluster(application, account, name, type)["serverGroups"]
        return [group for group in groups if region in (None, "", group["region"])]

    return router


def placed_router(service: ApplicationService) -> APIRouter:
    """Make the routes that name an object by account and namespace."""
    router = APIRouter(tags=["infrastructure"])

    @router.get("/serverGroups")
    def find_server_groups(applications: Text = None, ids: Text = None) -> Response:
        """List server groups of applications, or by `ids` (`account:region:name`); exactly one of the two."""
        if (applications is None) == (ids is None):
            raise BadRequest("Give either 'applications' or 'ids'.")
        found: list[View] = []
        for application in (applications or "").split(",") if applications else []:
            found += service.server_groups(application, expand=False)
        for id in (ids or "").split(",") if ids else []:
            parts = id.split(":")
            if len(parts) != 3:
                raise BadRequest(f"'{id}' is not 'account:region:name'.")
            found.append(service.server_group(*parts))
        return JSONResponse(found)

    @router.get("/serverGroups/{account}/{region}/{name}")
    def get_server_group(account: str, region: str, name: str) -> Response:
        """Give one server group. 404 when there is none."""
        return JSONResponse(service.server_group(account, region, name))

    @router.get("/{provider}/loadBalancers/{account}/{region}/{name}")
    def get_load_balancer(provider: str, account: str, region: str, name: str) -> Response:
        """Give a load balancer, as a list of one; empty when it is not there."""
        if provider != PROVIDER:
            raise BadRequest(f"There is no provider '{provider}'.")
        return JSONResponse(service.load_balancer(account, region, name))

    @router.get("/{provider}/loadBalancers")
    def list_provider_load_balancers(provider: str) -> Response:
        """List a provider's load balancers: Kubernetes gives none here, as ever."""
        if provider != PROVIDER:
            raise BadRequest(f"There is no provider '{provider}'.")
        return JSONResponse([])

    @router.get("/securityGroups")
    def list_security_groups() -> Response:
        """List firewalls by account, provider and region."""
        return JSONResponse(service.security_groups())

    @router.get("/securityGroups/{account}")
    def list_account_security_groups(account: str) -> Response:
        """List an account's firewalls by provider and region."""
        return JSONResponse(service.security_groups(account).get(account, {}))

    @router.get("/securityGroups/{account}/{provider}")
    def list_provider_security_groups(account: str, provider: str, region: Text = None) -> Response:
        """List an account's firewalls by region, or those of one region."""
        by_region = service.security_groups(account).get(account, {}).get(provider, {})
        return JSONResponse(by_region.get(region, []) if region else by_region)

    @router.get("/securityGroups/{account}/{provider}/{region}/{name}")
    def get_security_group(account: str, provider: str, region: str, name: str) -> Response:
        """Give one firewall in full. 404 when there is none."""
        if provider != PROVIDER:
            raise NotFound(f"There is no provider '{provider}'.")
        return JSONResponse(service.security_group(account, region, name))

    @router.get("/instances/{account}/{region}/{id}")
    def get_instance(account: str, region: str, id: str) -> Response:
        """Give one instance. 404 when there is none."""
        return JSONResponse(service.instance(account, region, id))

    return router


def _clusters(text: str | None) -> list[tuple[str, str]] | None:
    if text is None:
        return None
    pairs = [part.partition(":") for part in text.split(",") if part]
    return [(account, name) for account, _, name in pairs]
