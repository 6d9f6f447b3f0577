"""What a deploy would do, asked of a real control plane; and that asking changes nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clouddriver.app import create_app
from clouddriver.kubernetes.accounts import Accounts
from clouddriver.kubernetes.difference import MAX_LINES, difference
from clouddriver.operations.runner import OperationRunner
from clouddriver.settings import ClouddriverSettings
from fastapi.testclient import TestClient
from kork.database import Database
from kork.identity import Identity, Signer, identity_headers
from kork.ids import new_ulid
from testcluster import ClusterAccess, PolicyRule

ACCOUNT = "staging"
JsonMap = dict[str, Any]


class Clouddriver:
    """The API, and its worker called by hand."""

    def __init__(self, api: TestClient, settings: ClouddriverSettings, cluster: ClusterAccess, namespace: str) -> None:
        self.api = api
        self.cluster = cluster
        self.namespace = namespace
        self._headers = identity_headers(Identity("alice"), Signer(settings.identity.secret))
        self._database = Database(settings.database, schema="clouddriver")
        self._runner = OperationRunner(self._database, Accounts(settings.kubernetes), settings.kubernetes)

    def _description(self, manifests: tuple[JsonMap, ...], more: JsonMap) -> JsonMap:
        return {
            "account": ACCOUNT,
            "moniker": {"app": "shop"},
            "namespaceOverride": self.namespace,
            "manifests": list(manifests),
        } | more

    def ask(self, *manifests: JsonMap, **more: Any) -> Any:
        body = self._description(manifests, more)
        return self.api.post("/kubernetes/manifests/plan", json=body, headers=self._headers)

    def plan(self, *manifests: JsonMap, **more: Any) -> JsonMap:
        answer = self.ask(*manifests, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def verdicts(self, *manifests: JsonMap, **more: Any) -> list[JsonMap]:
        planned = self.plan(*manifests, **more)
        assert planned["errors"] == []
        return planned["manifests"]

    def verdict(self, *manifests: JsonMap, **more: Any) -> JsonMap:
        [verdict] = self.verdicts(*manifests, **more)
        return verdict

    def deploy(self, *manifests: JsonMap, **more: Any) -> None:
        body = [{"deployManifest": self._description(manifests, more)}]
        params = {"clientRequestId": new_ulid()}
        task = self.api.post("/kubernetes/ops", params=params, json=body, headers=self._headers).json()["id"]
        self._runner.run(task)
        assert not self.api.get(f"/task/{task}", headers=self._headers).json()["status"]["failed"]

    def everything(self) -> dict[str, str]:
        """Give the version of every object of the namespace, by kind and name."""
        kinds = "configmaps,secrets,services,deployments,jobs"
        listed = self.cluster.kubectl("get", kinds, "-n", self.namespace, "-o", "json").stdout
        return {
            f"{item['kind']} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in json.loads(listed)["items"]
        }

    def close(self) -> None:
        self._database.dispose()


@pytest.fixture
def make_clouddriver(
    cluster: ClusterAccess, namespace: str, postgres_url: str, redis_url: str
) -> Iterator[Callable[..., Clouddriver]]:
    """Make a clouddriver with one account: `make_clouddriver(**account)`."""
    opened: list[tuple[TestClient, Clouddriver]] = []

    def make(**account: Any) -> Clouddriver:
        accounts = [{"name": ACCOUNT, "kubeconfigFile": str(cluster.kubeconfig), **account}]
        settings = ClouddriverSettings.model_validate(
            {"database": {"url": postgres_url}, "redis": {"url": redis_url}, "kubernetes": {"accounts": accounts}}
        )
        database = Database(settings.database, schema="clouddriver")
        database.migrate()
        database.dispose()
        client = TestClient(create_app(settings))
        client.__enter__()
        made = Clouddriver(client, settings, cluster, namespace)
        opened.append((client, made))
        return made

    yield make
    for client, made in opened:
        client.__exit__(None, None, None)
        made.close()


@pytest.fixture
def clouddriver(make_clouddriver: Callable[..., Clouddriver]) -> Clouddriver:
    return make_clouddriver()


def config(color: str = "blue", name: str = "settings", **annotations: str) -> JsonMap:
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"color": color}}


def plain_config(color: str = "blue", **more: str) -> JsonMap:
    return config(color, "plain", **{"strategy.spinnaker.io/versioned": "false", **more})


def deployment(image: str = "registry.example/shop", replicas: int = 0) -> JsonMap:
    container = {"name": "shop", "image": image, "envFrom": [{"configMapRef": {"name": "settings"}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}},
        },
    }


def job(command: str) -> JsonMap:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"strategy.spinnaker.io/recreate": "true"}},
        "spec": {
            "suspend": True,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "migrate", "image": "busybox", "command": [command]}],
                }
            },
        },
    }


def secret(password: str) -> JsonMap:
    metadata = {"name": "login", "annotations": {"strategy.spinnaker.io/versioned": "false"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": password, "u": "a"}}


def test_a_first_deploy_creates_everything_with_versions_and_bound_artifacts(clouddriver: Clouddriver):
    image = {"type": "docker/image", "name": "registry.example/shop", "reference": "registry.example/shop:2"}
    planned = clouddriver.plan(deployment(), config(), requiredArtifacts=[image])
    assert [(each["name"], each["action"], each.get("version")) for each in planned["manifests"]] == [
        ("configMap settings-v000", "create", "v000"),
        ("deployment shop", "create", None),
    ]
    assert [artifact["reference"] for artifact in planned["boundArtifacts"]] == [
        "settings-v000",
        "registry.example/shop:2",
    ]
    diff = planned["manifests"][1]["diff"]
    assert "+      - envFrom:" in diff
    assert "name: settings-v000" in diff
    assert "image: registry.example/shop:2" in diff
    assert "managedFields" not in diff
    assert "status" not in diff
    assert clouddriver.everything().keys() <= {"ConfigMap kube-root-ca.crt"}


def test_a_plan_leaves_no_trace_and_promises_no_version(clouddriver: Clouddriver):
    clouddriver.deploy(deployment(), config(), plain_config())
    before = clouddriver.everything()
    for color in ("green", "red"):
        verdicts = clouddriver.verdicts(deployment(replicas=1), config(color), plain_config(color))
        assert [(each["name"], each["action"]) for each in verdicts] == [
            ("configMap settings-v001", "create"),
            ("configMap plain", "update"),
            ("deployment shop", "update"),
        ]
    assert clouddriver.everything() == before


def test_what_stays_and_what_changes_is_told_line_by_line(clouddriver: Clouddriver):
    clouddriver.deploy(plain_config("blue"), config("blue"))
    same, changed = clouddriver.verdicts(config("blue"), plain_config("green"))
    assert (same["name"], same["action"]) == ("configMap settings-v000", "unchanged")
    assert "diff" not in same
    assert changed["action"] == "update"
    assert changed["diff"].splitlines()[:2] == ["--- configMap plain (live)", "+++ configMap plain (planned)"]
    assert [line for line in changed["diff"].splitlines()[2:] if line[0] in "+-"] == [
        "-  color: blue",
        "+  color: green",
    ]


def test_what_a_secret_holds_is_never_shown(clouddriver: Clouddriver):
    created = clouddriver.plan(secret("hunter2"))
    clouddriver.deploy(secret("hunter2"))
    changed = clouddriver.plan(secret("swordfish"))
    again = clouddriver.verdict(secret("hunter2"))
    for planned in (created, changed):
        text = json.dumps(planned)
        assert not any(word in text for word in ("hunter2", "swordfish", "aHVudGVyMg", "c3dvcmRmaXNo"))
    [verdict] = changed["manifests"]
    assert "+  password: (hidden, another value)" in verdict["diff"]
    assert "  u: (hidden)" in verdict["diff"]
    assert again["action"] == "unchanged"


def test_a_recreated_object_is_told_as_such(clouddriver: Clouddriver):
    clouddriver.deploy(job("one"))
    verdict = clouddriver.verdict(job("two"))
    assert verdict["action"] == "recreate"
    changed = [line.split() for line in verdict["diff"].splitlines() if line[0] in "+-"]
    assert ["-", "-", "one"] in changed
    assert ["+", "-", "two"] in changed
    assert "deleted first" in verdict["notes"][0]


def test_fields_of_another_manager_are_named(clouddriver: Clouddriver):
    clouddriver.deploy(plain_config("blue"))
    patch = json.dumps({"data": {"color": "red"}})
    clouddriver.cluster.kubectl(
        "patch", "configmap", "plain", "-n", clouddriver.namespace, "--field-manager=operator", "-p", patch
    )
    refused = clouddriver.verdict(plain_config("green"))
    assert (refused["action"], refused["reason"]) == ("refused", "Conflict")
    assert refused["conflicts"] == [{"manager": "operator", "field": ".data.color"}]
    assert "'operator' has set .data.color" in refused["message"]
    forced = clouddriver.verdict(
        plain_config("green", **{"strategy.spinnaker.io/server-side-apply": "force-conflicts"})
    )
    assert forced["action"] == "update"
    assert "-  color: red" in forced["diff"]


def test_what_the_server_would_refuse_is_told_per_object(clouddriver: Clouddriver):
    broken: dict[str, Any] = deployment() | {"metadata": {"name": "broken"}}
    broken["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    verdicts = {each["name"]: each for each in clouddriver.verdicts(plain_config(), broken)}
    assert verdicts["configMap plain"]["action"] == "create"
    refused = verdicts["deployment broken"]
    assert (refused["action"], refused["reason"]) == ("refused", "Invalid")
    assert "`selector` does not match template `labels`" in refused["message"]


def test_a_field_that_the_server_does_not_know_is_refused(clouddriver: Clouddriver):
    verdict = clouddriver.verdict(deployment() | {"spec": deployment()["spec"] | {"nonsense": 1}})
    assert verdict["action"] == "refused"
    assert ".spec.nonsense: field not declared in schema" in verdict["message"]


def test_warnings_of_the_server_are_passed_on(clouddriver: Clouddriver):
    old = deployment()
    old["spec"]["template"]["metadata"]["annotations"] = {
        "container.apparmor.security.beta.kubernetes.io/shop": "unconfined"
    }
    warned = clouddriver.verdict(old)
    assert any("apparmor" in warning.lower() for warning in warned["warnings"]), warned


def test_what_needs_the_same_deploy_first_is_unknown_and_no_fault(clouddriver: Clouddriver):
    fresh = f"{clouddriver.namespace}-next"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fresh}}
    inside = plain_config()
    inside["metadata"]["namespace"] = fresh
    verdicts = clouddriver.verdicts(inside, space, namespaceOverride=None)
    assert [(each["name"], each["action"]) for each in verdicts] == [
        (f"namespace {fresh}", "create"),
        ("configMap plain", "unknown"),
    ]
    elsewhere = clouddriver.verdict(inside, namespaceOverride=None)
    assert (elsewhere["action"], elsewhere["reason"]) == ("refused", "NotFound")


def test_an_account_s_rights_are_tried_too(
    make_clouddriver: Callable[..., Clouddriver], cluster: ClusterAccess, namespace: str
):
    rules = [PolicyRule(apiGroups=[""], resources=["configmaps"], verbs=["get", "list"])]
    narrow = cluster.service_account_kubeconfig(namespace, "planner", rules)
    clouddriver = make_clouddriver(kubeconfigFile=str(narrow))
    verdict = clouddriver.verdict(plain_config())
    assert (verdict["action"], verdict["reason"]) == ("refused", "Forbidden")
    assert f"system:serviceaccount:{namespace}:planner" in verdict["message"]


def test_what_is_not_selected_is_ignored(clouddriver: Clouddriver):
    selectors = {"selectors": [{"key": "tier", "kind": "EQUALS", "values": ["web"]}]}
    verdict = clouddriver.verdict(plain_config(), labelSelectors=selectors)
    assert verdict["action"] == "ignored"


def test_what_would_stop_the_whole_deploy_is_one_error(clouddriver: Clouddriver):
    missing = {"type": "docker/image", "name": "nobody", "reference": "nobody:1"}
    planned = clouddriver.plan(deployment(), requiredArtifacts=[missing])
    assert planned["manifests"] == []
    assert "could not be bound: 'docker/image nobody" in planned["errors"][0]


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        ({"account": "nowhere"}, 400, "there is no account 'nowhere'"),
        ({"manifests": [7]}, 400, "Manifest 1 is not an object"),
        ({"moniker": {}}, 400, "moniker.app"),
    ],
)
def test_a_wrong_description_is_refused_as_for_the_deploy(
    clouddriver: Clouddriver, more: JsonMap, status: int, told: str
):
    answer = clouddriver.ask(plain_config(), **more)
    assert answer.status_code == status
    assert told in answer.json()["message"]


def test_who_may_not_deploy_may_not_plan(make_clouddriver: Callable[..., Clouddriver]):
    answer = make_clouddriver(permissions={"WRITE": ["operators"]}).ask(plain_config())
    assert answer.status_code == 403


def test_a_long_difference_is_cut():
    long = config() | {"data": {f"key{n:05}": "x" for n in range(MAX_LINES + 50)}}
    lines = difference(None, long, "configMap settings").splitlines()
    assert len(lines) == MAX_LINES + 1
    assert lines[-1].endswith("more lines")
