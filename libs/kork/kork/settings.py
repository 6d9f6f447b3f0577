"""Settings: one file, the environment, flags; a wrong key is an error that names the nearest right one.

Every service declares its own sections on a subclass of `ServiceSettings` and registers it under the
entry point group `gennaker.settings`, so that one `gennaker.yml` serves all of them and a key that
belongs to another service is known for what it is.
"""

import difflib
import os
import secrets
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from ruamel.yaml import YAML, YAMLError

ENVIRONMENT_PREFIX = "GENNAKER_"
_FILE_VARIABLE = "GENNAKER_CONFIG"


class SettingsError(Exception):
    """The settings can't be used; the message says where, what and the nearest right key."""


class Settings(BaseModel):
    """A section of `gennaker.yml`. Keys are camelCase in the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, alias_generator=to_camel)


class DatabaseSettings(Settings):
    """The Postgres that all services share, a schema for each."""

    url: str = "postgresql://postgres@127.0.0.1:5432/gennaker"
    pool_size: int = Field(default=8, ge=1, description="connections a process keeps per service")
    connect_timeout_seconds: int = Field(default=5, ge=1)


class RedisSettings(Settings):
    """The Redis that carries bells and events. Nothing lives only there."""

    url: str = "redis://127.0.0.1:6379/0"


class EndpointSettings(Settings):
    """Where a service listens and where the others find it."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    base_url: str = ""

    def url(self) -> str:
        """Give the address that other services call."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")


class OptionalEndpointSettings(EndpointSettings):
    """A service that an installation may have or not."""

    enabled: bool = False


_PORTS = {"gate": 8084, "orca": 8083, "clouddriver": 7002, "front50": 8080, "echo": 8089, "rosco": 8087}


def _endpoint(name: str) -> Any:
    return Field(default_factory=lambda: EndpointSettings(port=_PORTS[name]))


class ServicesSettings(Settings):
    """The addresses of all services, on Spinnaker's ports unless said otherwise."""

    gate: EndpointSettings = _endpoint("gate")
    orca: EndpointSettings = _endpoint("orca")
    clouddriver: EndpointSettings = _endpoint("clouddriver")
    front50: EndpointSettings = _endpoint("front50")
    echo: EndpointSettings = _endpoint("echo")
    rosco: OptionalEndpointSettings = Field(default_factory=lambda: OptionalEndpointSettings(port=_PORTS["rosco"]))

    @model_validator(mode="before")
    @classmethod
    def _ports_stay_where_only_hosts_are_given(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        sections = cast(Mapping[str, Any], given)
        return {
            name: {"port": _PORTS[name], **section} if name in _PORTS and isinstance(section, Mapping) else section
            for name, section in sections.items()
        }


class IdentitySettings(Settings):
    """The secret with which services sign who is asking. The same for all of them."""

    secret: str = Field(default_factory=lambda: secrets.token_hex(32), min_length=16, repr=False)


class LoggingSettings(Settings):
    """How logs are written, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class TelemetrySettings(Settings):
    """Where traces go (OTLP over HTTP, e.g. `http://127.0.0.1:4318`). Nothing is sent without it."""

    endpoint: str | None = None


class HttpSettings(Settings):
    """Limits of what a service accepts and how long it waits for others."""

    max_body_bytes: int = Field(default=16_777_216, ge=1024, description="between services")
    max_public_body_bytes: int = Field(default=1_048_576, ge=1024, description="at gate and echo")
    timeout_seconds: float = Field(default=30.0, gt=0)
    connect_timeout_seconds: float = Field(default=3.0, gt=0)
    shutdown_grace_seconds: int = Field(default=10, ge=0)


class ProbesSettings(Settings):
    """Where a process without an API (worker, clock, cache) answers `/health` and `/metrics`. Port 0: nowhere."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)


class ServiceSettings(Settings):
    """What every service needs to know; a service adds its own sections in a subclass."""

    home: Path | None = None
    embedded: bool = False
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    services: ServicesSettings = Field(default_factory=ServicesSettings)
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    probes: ProbesSettings = Field(default_factory=ProbesSettings)


S = TypeVar("S", bound=ServiceSettings)


def load_settings(
    model: type[S],
    *,
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> S:
    """Read the settings of one service.

    Precedence, the strongest first: `overrides` (flags), `GENNAKER_…` variables (`GENNAKER_DATABASE__URL`
    for `database.url`), the file (`file`, else what `GENNAKER_CONFIG` names), the defaults.
    Raises `SettingsError` with every fault found, one a line.
    """
    env = os.environ if env is None else env
    if file is None and env.get(_FILE_VARIABLE):
        file = Path(env[_FILE_VARIABLE])
    layers = [_read_file(file) if file else {}, _read_environment(env), dict(overrides or {})]
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = merge(tree, layer)
    known = _known_sections(model)
    faults = [_unknown(key, known, "") for key in tree if key not in known]
    own = {key: value for key, value in tree.items() if key in _keys(model)}
    try:
        settings = model.model_validate(own)
    except ValidationError as error:
        faults += model_faults(model, error)
        settings = None
    if faults or settings is None:
        origin = f"{file}: " if file else ""
        raise SettingsError("\n".join(f"{origin}{fault}" for fault in faults))
    return settings


def _read_file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
    except OSError as error:
        raise SettingsError(f"The settings file {file} can't be read: {error.strerror}.") from error
    try:
        loaded: Any = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise SettingsError(f"{file} is not YAML: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise SettingsError(f"{file} must hold a map of sections, not a {type(loaded).__name__}.")
    return cast(dict[str, Any], loaded)


def _read_environment(env: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in env.items():
        path = name.removeprefix(ENVIRONMENT_PREFIX)
        if path == name or "__" not in path:
            continue
        *parents, leaf = [to_camel(part.lower()) for part in path.split("__")]
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of settings over another, section by section."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(cast(Mapping[str, Any], under), cast(Mapping[str, Any], value))
        else:
            merged[key] = value
    return merged


def _keys(model: type[BaseModel]) -> set[str]:
    return {name for field, info in model.model_fields.items() for name in (info.alias or field, field)}


@cache
def _registered_sections() -> frozenset[str]:
    names: set[str] = set()
    for entry in entry_points(group="gennaker.settings"):
        names |= _keys(entry.load())
    return frozenset(names)


def _known_sections(model: type[BaseModel]) -> set[str]:
    return _keys(model) | _registered_sections()


def _unknown(key: str, known: Iterable[str], path: str) -> str:
    where = f"{path}.{key}" if path else key
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    hint = f" Did you mean '{f'{path}.{near[0]}' if path else near[0]}'?" if near else ""
    return f"There is no setting '{where}'.{hint}"


def model_faults(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Describe each fault that was found in values for `model`. What is secret (`repr=False`) is not shown."""
    return [_describe(model, dict(fault)) for fault in error.errors()]


def _describe(model: type[BaseModel], fault: Mapping[str, Any]) -> str:
    location = tuple(fault["loc"])
    path = ".".join(str(part) for part in location)
    if fault["type"] == "extra_forbidden":
        parent = _section_at(model, location[:-1])
        names = {info.alias or name for name, info in parent.model_fields.items()} if parent else set[str]()
        return _unknown(str(location[-1]), names, ".".join(str(part) for part in location[:-1]))
    said = str(fault["msg"]).removeprefix("Value error, ")
    if not path:
        return f"{said[:1].upper()}{said[1:]}."
    return f"The setting '{path}' is wrong: {said}{_given(model, location, fault['input'])}."


def _given(model: type[BaseModel], location: tuple[Any, ...], value: Any) -> str:
    if isinstance(value, Mapping | list) or _is_secret(model, location):
        return ""
    return f" (got {value!r})"


def _is_secret(model: type[BaseModel], location: tuple[Any, ...]) -> bool:
    parent = _section_at(model, location[:-1])
    fields = parent.model_fields.items() if parent else ()
    return any(location[-1] in (name, info.alias) and not info.repr for name, info in fields)


def _section_at(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or found is None:
            continue
        info = next((i for n, i in found.model_fields.items() if part in (n, i.alias)), None)
        found = _model_in(info.annotation) if info else None
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
