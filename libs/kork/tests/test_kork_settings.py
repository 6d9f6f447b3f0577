"""What `gennaker.yml`, the environment and flags make of the settings."""

from pathlib import Path

import pytest
from kork.settings import ServiceSettings, SettingsError, load_settings


def settings_file(folder: Path, text: str) -> Path:
    file = folder / "gennaker.yml"
    file.write_text(text)
    return file


def test_defaults_are_spinnakers_ports():
    services = load_settings(ServiceSettings, env={}).services
    ports = [e.port for e in (services.gate, services.orca, services.clouddriver, services.front50, services.echo)]
    assert ports == [8084, 8083, 7002, 8080, 8089]


def test_a_service_keeps_its_port_when_only_its_host_is_given():
    env = {"GENNAKER_SERVICES__ORCA__HOST": "0.0.0.0", "GENNAKER_SERVICES__GATE__PORT": "9"}
    services = load_settings(ServiceSettings, env=env).services
    assert (services.orca.host, services.orca.port) == ("0.0.0.0", 8083)
    assert services.gate.port == 9


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path):
    file = settings_file(tmp_path, "redis: {url: redis://file}\ndatabase: {url: postgresql://file, poolSize: 3}\n")
    env = {"GENNAKER_REDIS__URL": "redis://env", "GENNAKER_DATABASE__POOL_SIZE": "5"}
    overrides = {"database": {"poolSize": 7}}
    settings = load_settings(ServiceSettings, file=file, env=env, overrides=overrides)
    assert settings.redis.url == "redis://env"
    assert settings.database.url == "postgresql://file"
    assert settings.database.pool_size == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("databse: {}", "There is no setting 'databse'. Did you mean 'database'?"),
        ("database: {urll: x}", "There is no setting 'database.urll'. Did you mean 'database.url'?"),
        (
            "services: {gate: {prt: 1}}",
            "There is no setting 'services.gate.prt'. Did you mean 'services.gate.port'?",
        ),
        ("services: {gate: {port: many}}", "The setting 'services.gate.port' is wrong"),
        ("- a\n- b", "must hold a map"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str, said: str):
    with pytest.raises(SettingsError) as caught:
        load_settings(ServiceSettings, file=settings_file(tmp_path, text), env={})
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(ServiceSettings, file=tmp_path / "none.yml", env={})
