"""The manifests are accepted by a real API server, and say what the services understand."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from gate.app import create_app as create_gate
from kork.settings import load_settings
from ruamel.yaml import YAML
from testcluster import ClusterAccess

SECRETS = "identity-secret=a-secret-of-this-test\ndatabase-password=of-this-test\n"
OVERLAYS = ["single", "production"]
VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "spec": {
        "capacity": {"storage": "10Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": "/data"},
    },
}


@dataclass(frozen=True)
class Manifests:
    """What an overlay makes."""

    objects: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Give all objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """Give an object by its name, before kustomize's hash for ConfigMaps and Secrets."""
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"].startswith(name)]
        return found

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each workload's name and pod."""
        for workload in [*self.of("Deployment"), *self.of("StatefulSet"), *self.of("Job")]:
            yield workload["metadata"]["name"], workload["spec"]["template"]["spec"]

    def containers(self) -> Iterator[dict[str, Any]]:
        """Give all containers, those that run first included."""
        for _, pod in self.pods():
            yield from [*pod.get("initContainers", []), *pod["containers"]]

    def ours(self) -> Iterator[dict[str, Any]]:
        """Give the containers that run our image."""
        return (each for each in self.containers() if "gennaker" in each["image"])


@pytest.fixture
def overlay(repository: Path, tmp_path: Path, namespace: str) -> Callable[[str], Path]:
    """Give a copy of an overlay, with secrets, that puts everything into this test's namespace."""

    def prepare(name: str) -> Path:
        shutil.copytree(repository / "deploy/kubernetes", tmp_path / "kubernetes")
        folder = tmp_path / "kubernetes/overlays" / name
        (folder / "secrets.env").write_text(SECRETS)
        for file in tmp_path.rglob("*.yaml"):
            file.write_text(file.read_text().replace("namespace: gennaker", f"namespace: {namespace}"))
        return folder

    return prepare


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, overlay: Callable[[str], Path], cluster: ClusterAccess) -> Manifests:
    """What each overlay makes."""
    rendered = cluster.kubectl("kustomize", str(overlay(request.param))).stdout
    return Manifests(list(YAML(typ="safe").load_all(rendered)))


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_api_server_accepts_the_manifests(
    cluster: ClusterAccess, overlay: Callable[[str], Path], name: str
) -> None:
    folder = str(overlay(name))
    answer = cluster.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", folder)
    assert "deployment.apps/orca-worker serverside-applied (server dry run)" in answer.stdout
    assert "Warning" not in answer.stderr


def test_everything_rolls_out_under_the_restricted_policy(
    cluster: ClusterAccess, namespace: str, overlay: Callable[[str], Path]
) -> None:
    cluster.apply(VOLUME | {"metadata": {"name": namespace}})
    try:
        cluster.kubectl("apply", "--server-side", "-k", str(overlay("single")))
        labels = json.loads(cluster.kubectl("get", "namespace", namespace, "-o", "json").stdout)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        cluster.kubectl("wait", "job/migrations", "--for=condition=complete", "-n", namespace, "--timeout=60s")
        for kind in ("deployment", "statefulset"):
            cluster.kubectl("rollout", "status", kind, "-n", namespace, "--timeout=60s")
        rights = ["auth", "can-i", "patch", "deployments", "-n", "default"]
        clouddriver = f"--as=system:serviceaccount:{namespace}:clouddriver"
        assert cluster.kubectl(*rights, clouddriver).stdout.strip() == "yes"
        anyone_else = f"--as=system:serviceaccount:{namespace}:gennaker"
        assert cluster.kubectl(*rights, anyone_else, check=False).stdout.strip() == "no"
    finally:
        cluster.kubectl("delete", "clusterrolebinding", "gennaker-clouddriver", "--ignore-not-found")
        cluster.kubectl("delete", "persistentvolume", namespace, "--wait=false", "--ignore-not-found")


def test_every_command_is_a_role_of_its_service(
    manifests: Manifests, roles_of: Callable[[str], frozenset[str]]
) -> None:
    commands = {tuple(container["args"]) for container in manifests.ours()}
    assert len(commands) == 17
    for module, role in commands:
        assert role in roles_of(module)


def test_every_setting_is_one_that_the_service_knows(manifests: Manifests, tmp_path: Path) -> None:
    file = tmp_path / "gennaker.yml"
    file.write_text(manifests.named("ConfigMap", "gennaker-settings")["data"]["gennaker.yml"])
    environment = manifests.named("ConfigMap", "gennaker-environment")["data"]
    assert environment.pop("GENNAKER_CONFIG") == "/etc/gennaker/gennaker.yml"
    for container in manifests.ours():
        secrets = {each["name"]: "a-secret-of-this-test" for each in container["env"]}
        (entry,) = entry_points(group="gennaker.settings", name=container["args"][0])
        settings = load_settings(entry.load(), file=file, env=environment | secrets)
        assert settings.identity.secret == "a-secret-of-this-test"
        services = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in manifests.of("Service")}
        for name, endpoint in settings.services.model_dump(exclude={"rosco"}).items():
            assert endpoint["base_url"] == f"http://{name}:{services[name]}"
        if container["args"] == ["gate", "api"]:
            create_gate(settings)


def test_probes_ask_the_port_that_the_process_answers_on(manifests: Manifests, tmp_path: Path) -> None:
    services = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in manifests.of("Service")}
    probes_port = int(manifests.named("ConfigMap", "gennaker-environment")["data"]["GENNAKER_PROBES__PORT"])
    for deployment in manifests.of("Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        if "gennaker" not in container["image"]:
            continue
        module, role = container["args"]
        expected = services[module] if role == "api" else probes_port
        assert container["ports"] == [{"name": "http", "containerPort": expected}]
        assert container["livenessProbe"]["httpGet"] == {"path": "/health/liveness", "port": "http"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/health/readiness", "port": "http"}


def test_containers_have_no_more_rights_than_they_need(manifests: Manifests) -> None:
    for name, pod in manifests.pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["enableServiceLinks"] is False
        assert pod["serviceAccountName"] == ("clouddriver" if name.startswith("clouddriver") else "gennaker")
    for container in manifests.containers():
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]
