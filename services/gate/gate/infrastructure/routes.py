"""The paths that clouddriver answers."""

from gate.passthrough import Param, Pass

_APPLICATION = "/applications/{application}"
_CLUSTER = _APPLICATION + "/clusters/{account}/{clusterName}"
_PROVIDER = Param("provider", default="aws", description="the cloud provider")
_EXPAND = Param("expand", "text", description="give full objects instead of summaries")

CLUSTERS = (
    Pass(
        "GET", f"{_APPLICATION}/clusters", "clouddriver", "applications/{application}/clusters", "Clusters by account"
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/clusters/{{account}}",
        "clouddriver",
        "applications/{application}/clusters/{account}",
        "Clusters of an account",
        not_found="No clusters found (application: {application}, account: {account})",
    ),
    Pass(
        "GET",
        f"{_CLUSTER}/serverGroups/{{serverGroupName}}/scalingActivities",
        "clouddriver",
        "applications/{application}/clusters/{account}/{clusterName}/{provider}/serverGroups/{serverGroupName}/scalingActivities",
        "Scaling activities of a server group",
        (_PROVIDER, Param("region")),
        otherwise=[],
    ),
    Pass(
        "GET",
        f"{_CLUSTER}/{{cloudProvider}}/{{scope}}/serverGroups/target/{{target}}",
        "clouddriver",
        "applications/{application}/clusters/{account}/{clusterName}/{cloudProvider}/{scope}/serverGroups/target/{target}",
        "The server group that is the newest, the previous one …",
        (Param("onlyEnabled", "flag"), Param("validateOldest", "flag")),
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/serverGroups",
        "clouddriver",
        "applications/{application}/serverGroups",
        "Server groups of an application",
        (_EXPAND, Param("cloudProvider"), Param("clusters", "csv", keep_empty=True, description="account:cluster, …")),
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/serverGroups/{{account}}/{{region}}/{{serverGroupName}}",
        "clouddriver",
        "applications/{application}/serverGroups/{account}/{region}/{serverGroupName}",
        "One server group in detail",
        (Param("includeDetails", "text"),),
        not_found="Server group not found (id: {serverGroupName})",
    ),
    Pass(
        "GET",
        "/serverGroups",
        "clouddriver",
        "serverGroups",
        "Server groups by applications or by ids",
        (
            Param("applications", "items"),
            Param("ids", "items", description="account:region:name"),
            Param("cloudProvider"),
        ),
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/serverGroupManagers",
        "clouddriver",
        "applications/{application}/serverGroupManagers",
        "What manages server groups (Deployments)",
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/loadBalancers",
        "clouddriver",
        "applications/{application}/loadBalancers",
        "Load balancers of an application",
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/rawResources",
        "clouddriver",
        "applications/{application}/rawResources",
        "All Kubernetes objects of an application",
        otherwise=[],
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/jobs/{{account}}/{{region}}/{{name}}",
        "clouddriver",
        "applications/{application}/jobs/{account}/{region}/{name}",
        "How a Job is that a pipeline runs",
        (_EXPAND,),
    ),
    Pass(
        "GET",
        f"{_APPLICATION}/functions",
        "clouddriver",
        "applications/{application}/functions",
        "Functions of an application",
        otherwise=[],
    ),
)

MANIFESTS = (
    Pass(
        "GET",
        "/manifests/{account}/{location}/{name}",
        "clouddriver",
        "manifests/{account}/{location}/{name}",
        "A Kubernetes object by 'kind name', live",
        (Param("includeEvents", "flag"),),
        not_found="Manifest not found (account: {account}, location: {location}, name: {name})",
    ),
    Pass(
        "GET",
        "/manifests/{account}/{name}",
        "clouddriver",
        "manifests/{account}/_/{name}",
        "A Kubernetes object without a namespace, live",
        (Param("includeEvents", "flag"),),
        not_found="Manifest not found (account: {account}, name: {name})",
    ),
    Pass(
        "GET",
        "/instances/{account}/{region}/{instanceId}",
        "clouddriver",
        "instances/{account}/{region}/{instanceId}",
        "One instance",
        not_found="Instance not found (id: {instanceId})",
    ),
    Pass(
        "GET",
        "/instances/{account}/{region}/{instanceId}/console",
        "clouddriver",
        "instances/{account}/{region}/{instanceId}/console",
        "What an instance prints",
        (_PROVIDER,),
    ),
)

LOAD_BALANCERS = (
    Pass(
        "GET", "/loadBalancers", "clouddriver", "{provider}/loadBalancers", "Load balancers", (_PROVIDER,), otherwise=[]
    ),
    Pass(
        "GET",
        "/loadBalancers/{account}/{region}/{name}",
        "clouddriver",
        "{provider}/loadBalancers/{account}/{region}/{name}",
        "One load balancer, as a list of one",
        (_PROVIDER,),
        otherwise=[],
    ),
    *(
        entry
        for prefix in ("securityGroups", "firewalls")
        for entry in (
            Pass(
                "GET",
                f"/{prefix}",
                "clouddriver",
                "securityGroups",
                "Firewalls by account",
                (Param("id"),),
                otherwise={},
            ),
            Pass(
                "GET",
                f"/{prefix}/{{account}}",
                "clouddriver",
                "securityGroups/{account}/{provider}",
                "Firewalls of an account",
                (_PROVIDER,),
                otherwise={},
            ),
            Pass(
                "GET",
                f"/{prefix}/{{account}}/{{region}}/{{name}}",
                "clouddriver",
                "securityGroups/{account}/{provider}/{region}/{name}",
                "One firewall",
                (_PROVIDER, Param("vpcId")),
                not_found="Security group not found (id: {name})",
            ),
        )
    ),
)


def _lookups() -> tuple[Pass, ...]:
    images = tuple(
        Pass(
            "GET",
            f"/{kind}/{what}",
            "clouddriver",
            f"{{provider}}/{kind}/{what}",
            f"{kind.capitalize()}: {what}",
            (_PROVIDER, *params),
            more=True,
            otherwise=[],
        )
        for kind in ("images", "charts")
        for what, params in (
            ("find", (Param("q"), Param("region"), Param("account"), Param("count", "number"))),
            ("tags", (Param("account", required=True), Param("repository", required=True))),
        )
    )
    lists = tuple(
        Pass("GET", f"/{path}", "clouddriver", to or path, summary, otherwise=otherwise, more=True)
        for path, to, summary, otherwise in (
            ("images/{account}/{region}/{imageId}", "aws/images/{account}/{region}/{imageId}", "One image", []),
            ("networks", "", "Networks by provider", {}),
            ("networks/{cloudProvider}", "", "Networks of a provider", []),
            ("vpcs", "networks/aws", "Networks of AWS", []),
            ("subnets", "", "Subnets", []),
            ("subnets/{cloudProvider}", "", "Subnets of a provider", []),
            ("instanceTypes", "", "Instance types", []),
            ("keyPairs", "", "Key pairs", []),
            ("functions", "", "Functions", []),
            ("certificates", "", "Certificates", []),
            ("certificates/{cloudProvider}", "", "Certificates of a provider", []),
            ("roles/{cloudProvider}", "", "Roles of a provider", []),
            ("storage", "", "Storage accounts", []),
            ("tags", "", "Entity tags", []),
            ("features/stages", "", "Operations that clouddriver offers", []),
            ("projects/{id}/clusters", "", "Clusters of a project", []),
        )
    )
    return images + lists


LOOKUPS = _lookups()

ARTIFACTS = (
    Pass("GET", "/artifacts/credentials", "clouddriver", "artifacts/credentials", "Artifact accounts", otherwise=[]),
    Pass("PUT", "/artifacts/fetch", "clouddriver", "artifacts/fetch", "The content of an artifact", body="object"),
    Pass(
        "GET",
        "/artifacts/account/{accountName}/names",
        "clouddriver",
        "artifacts/account/{accountName}/names",
        "Names of artifacts",
        (Param("type", required=True),),
        otherwise=[],
    ),
    Pass(
        "GET",
        "/artifacts/account/{accountName}/versions",
        "clouddriver",
        "artifacts/account/{accountName}/versions",
        "Versions of an artifact",
        (Param("type", required=True), Param("artifactName", required=True)),
        otherwise=[],
    ),
    Pass(
        "GET",
        "/artifacts/content-address/{application}/{hash}",
        "clouddriver",
        "artifacts/content-address/{application}/{hash}",
        "An artifact stored by the hash of its content",
        not_found="Artifact not found (id: {application}/{hash})",
    ),
)
