"""docker-compose.yml says what the services understand."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from kork.settings import load_settings
from ruamel.yaml import YAML

SECRETS = {"GENNAKER_IDENTITY__SECRET": "a-secret-of-this-test", "POSTGRES_PASSWORD": "of-this-test"}
SERVERS = {"postgres", "redis"}


@pytest.fixture(scope="module")
def services(repository: Path) -> dict[str, Any]:
    """The containers of the file, its anchors resolved."""
    return YAML(typ="safe").load((repository / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def ours(services: dict[str, Any]) -> dict[str, Any]:
    """The containers that run our image."""
    return {name: service for name, service in services.items() if name not in SERVERS}


def settings_of(module: str, environment: Mapping[str, str], file: Path) -> Any:
    (entry,) = entry_points(group="gennaker.settings", name=module)
    return load_settings(entry.load(), file=file, env={**environment, **SECRETS})


def test_every_part_of_the_platform_is_there(ours: dict[str, Any]) -> None:
    commands = {" ".join(service["command"]) for service in ours.values()}
    assert commands == {
        *("front50 api", "front50 migrate", "echo api", "echo migrate", "gate api"),
        *("orca api", "orca worker", "orca clock", "orca migrate"),
        *("clouddriver api", "clouddriver worker", "clouddriver cache", "clouddriver migrate"),
    }


def test_every_command_is_a_role_of_its_service(
    ours: dict[str, Any], roles_of: Callable[[str], frozenset[str]]
) -> None:
    for service in ours.values():
        module, role = service["command"]
        assert role in roles_of(module)


def test_every_setting_is_one_that_the_service_knows(ours: dict[str, Any], repository: Path) -> None:
    for name, service in ours.items():
        environment = {key: str(value) for key, value in service["environment"].items()}
        file = environment.pop("GENNAKER_CONFIG")
        assert file == service["configs"][0]["target"]
        settings = settings_of(service["command"][0], environment, repository / "deploy/docker/gennaker.yml")
        assert settings.database.url == "postgresql://gennaker@postgres:5432/gennaker", name
        assert settings.redis.url == "redis://redis:6379/0"


def test_services_find_each_other_by_their_names(ours: dict[str, Any], repository: Path) -> None:
    gate = settings_of("gate", ours["gate"]["environment"], repository / "deploy/docker/gennaker.yml")
    for name, endpoint in gate.services.model_dump(exclude={"rosco"}).items():
        assert name in ours
        assert endpoint["host"] == "0.0.0.0"
        assert endpoint["base_url"] == f"http://{name}:{endpoint['port']}"


def test_health_checks_ask_the_port_that_the_process_answers_on(ours: dict[str, Any], repository: Path) -> None:
    for name, service in ours.items():
        module, role = service["command"]
        if role == "migrate":
            continue
        settings = settings_of(module, service["environment"], repository / "deploy/docker/gennaker.yml")
        port = getattr(settings.services, module).port if role == "api" else settings.probes.port
        assert f"'http://127.0.0.1:{port}/health" in service["healthcheck"]["test"][-1], name


def test_nothing_starts_before_its_schema_is_migrated(ours: dict[str, Any]) -> None:
    for service in ours.values():
        module, role = service["command"]
        if role == "migrate":
            assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
            assert service["restart"] == "no"
        elif module != "gate":
            assert service["depends_on"][f"migrate-{module}"] == {"condition": "service_completed_successfully"}


def test_containers_have_no_more_rights_than_they_need(services: dict[str, Any], ours: dict[str, Any]) -> None:
    assert all(service["read_only"] for service in services.values())
    for service in ours.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_this_machine_reaches_gate_and_nothing_else_is_reached(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"gate"}
    assert all(port.startswith("127.0.0.1:") for port in published["gate"])


def has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="docker has no compose plugin here")
def test_docker_compose_accepts_the_file(repository: Path, tmp_path: Path) -> None:
    env = tmp_path / "secrets.env"
    env.write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    command = ["docker", "compose", "--file", repository / "docker-compose.yml", "--env-file", env, "config", "--quiet"]
    subprocess.run(command, check=True)
