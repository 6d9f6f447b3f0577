"""Templates and their uses as documents, read strictly: what has a wrong type is named with its place."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from kork.documents import Document, json_type, objects_in

from orca.templates.faults import Fault, InvalidTemplate, first_kind

SCHEMA = "v2"
TEMPLATED = "templatedPipeline"
STAGES = "stages"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a template declares; without a default it has to be given, unless it is nullable."""

    name: str
    type: str
    default: Any
    nullable: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its variables, and the pipeline that it makes."""

    id: str
    protect: bool
    variables: tuple[Variable, ...]
    pipeline: Document

    @property
    def stages(self) -> list[Document]:
        """Give the pipeline's stages (a copy)."""
        return read_stages(self.pipeline.get(STAGES), "template")


@dataclass(frozen=True, slots=True)
class Use:
    """A pipeline that uses a template: what it is called, the variables it gives, what it changes."""

    config: Document
    variables: Document
    stages: list[Document]
    excluded: frozenset[str]

    @property
    def label(self) -> str:
        """Say which pipeline this is, as Orca does before its messages."""
        id = self.config.get("pipelineConfigId") or self.config.get("id")
        known = (("application", self.config.get("application")), ("name", self.config.get("name")), ("id", id))
        told = ", ".join(f"{key}='{value}'" for key, value in known if value)
        return f"[Pipeline Config: {told or 'unknown'}]"


def is_templated(pipeline: Document) -> bool:
    """Say whether a pipeline has to be planned from a template. Raises `InvalidTemplate` for the first kind."""
    if pipeline.get("schema") == SCHEMA:
        return pipeline.get("template") is not None
    if pipeline.get("type") == TEMPLATED:
        raise first_kind()
    return False


def read_template(document: Any) -> Template:
    """Read a template. Raises `InvalidTemplate` with all that is wrong with it."""
    if not isinstance(document, dict):
        raise InvalidTemplate([Fault(f"The template must be an object, not {json_type(document)}.")])
    body = cast(Document, document)
    schema = body.get("schema")
    if schema == "1":
        raise first_kind()
    faults: list[Fault] = []
    if schema != SCHEMA:
        faults.append(Fault(f"template schema version is unsupported: expected '{SCHEMA}', got '{schema}'"))
    pipeline = _part(body, "pipeline", dict, "an object", faults, "template")
    variables = [_variable(n, each, faults) for n, each in enumerate(_list(body, "variables", faults, "template"))]
    protect = _part(body, "protect", bool, "true or false", faults, "template")
    if faults:
        raise InvalidTemplate(faults)
    kept = tuple(variable for variable in variables if variable is not None)
    return Template(str(body.get("id") or ""), bool(protect), kept, pipeline or {})


def _variable(n: int, value: Any, faults: list[Fault]) -> Variable | None:
    where = f"template:variables[{n}]"
    if not isinstance(value, dict) or not isinstance(cast(Document, value).get("name"), str):
        faults.append(Fault("A variable must be an object with a 'name'.", location=where))
        return None
    body = cast(Document, value)
    type_name = body.get("type")
    if not isinstance(type_name, str | None):
        faults.append(Fault(f"The 'type' of a variable must be text, not {json_type(type_name)}.", location=where))
        return None
    return Variable(body["name"], type_name or "object", body.get("defaultValue"), body.get("nullable") is True)


def read_use(config: Document) -> Use:
    """Read a use of a template. Raises `InvalidTemplate` with all that is wrong with it."""
    faults: list[Fault] = []
    if not isinstance(config.get("application"), str) or not config["application"]:
        faults.append(Fault("Missing 'application' configuration", location="configuration:application"))
    variables = _part(config, "variables", dict, "an object", faults, "configuration")
    excluded = [str(each) for each in _list(config, "exclude", faults, "configuration")]
    for key in ("triggers", "notifications", "parameters", "parameterConfig", "expectedArtifacts"):
        _list(config, key, faults, "configuration")
    if faults:
        raise InvalidTemplate(faults)
    return Use(config, variables or {}, read_stages(config.get(STAGES), "configuration"), frozenset(excluded))


def read_stages(value: Any, where: str) -> list[Document]:
    """Copy stages, with references as texts. Raises `InvalidTemplate` naming each that can't be read."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidTemplate(
            [Fault(f"'stages' must be an array of objects, not {json_type(value)}.", location=f"{where}:stages")]
        )
    stages, faults = [], list[Fault]()
    for n, each in enumerate(cast(list[Any], value)):
        try:
            stages.append(_stage(each))
        except ValueError as error:
            faults.append(Fault(str(error), location=f"{where}:stages[{n}]"))
    twice = _repeated(stage["refId"] for stage in stages)
    faults += [Fault(f"refId '{ref}' is borne by several stages.", location=f"{where}:stages") for ref in twice]
    if faults:
        raise InvalidTemplate(faults)
    return stages


def _stage(value: Any) -> Document:
    if not isinstance(value, dict):
        raise ValueError(f"A stage must be an object, not {json_type(value)}.")
    stage = deepcopy(cast(Document, value))
    ref = stage.get("refId")
    if not isinstance(ref, str | int) or isinstance(ref, bool) or ref == "":
        raise ValueError(f"A stage must have a 'refId' (stage name: '{stage.get('name')}').")
    stage["refId"] = str(ref)
    stage["requisiteStageRefIds"] = _refs(stage.get("requisiteStageRefIds"), "requisiteStageRefIds")
    if not isinstance(stage.get("inject"), dict | None):
        raise ValueError(f"'inject' must be an object, not {json_type(stage['inject'])}.")
    return stage


def _refs(value: Any, what: str) -> list[str]:
    items = cast(list[Any], value) if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        raise ValueError(f"'{what}' must be an array of refIds.")
    return list(dict.fromkeys(str(item) for item in items))


def refs_in(rule: Document, key: str) -> list[str]:
    """Read the targets of an inject rule; one alone need not be in a list. Raises `ValueError`."""
    return _refs(rule.get(key), f"inject.{key}")


def merged_distinct(first: Any, second: Any) -> list[Document]:
    """Give the objects of two lists, each once; the first's are marked `inherited`."""
    merged = [each | {"inherited": True} for each in objects_in(first)]
    known = [_unmarked(each) for each in merged]
    return merged + [each for each in objects_in(second) if _unmarked(each) not in known]


def _unmarked(value: Document) -> Document:
    return {key: item for key, item in value.items() if key != "inherited"}


def _part(body: Document, key: str, kind: type, name: str, faults: list[Fault], where: str) -> Any:
    value = body.get(key)
    if value is None or isinstance(value, kind):
        return value
    faults.append(Fault(f"'{key}' must be {name}, not {json_type(value)}.", location=f"{where}:{key}"))
    return None


def _list(body: Document, key: str, faults: list[Fault], where: str) -> list[Any]:
    return cast(list[Any], _part(body, key, list, "an array", faults, where) or [])


def _repeated(refs: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return list(dict.fromkeys(ref for ref in refs if ref in seen or seen.add(ref)))
