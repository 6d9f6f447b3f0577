"""Artifacts and expected artifacts, read from JSON that anyone may have written."""

from dataclasses import dataclass
from typing import Any, cast

from kork.errors import BadRequest

JsonMap = dict[str, Any]
Artifact = JsonMap

_TEXTS = ("type", "name", "version", "location", "reference", "artifactAccount", "provenance", "uuid")
_KNOWN = frozenset({*_TEXTS, "customKind", "metadata", "kind"})


def read_artifact(value: Any, where: str) -> Artifact:
    """Give an artifact in its normal form: no nulls, unknown keys inside `metadata`, `kind` dropped.

    Raises `BadRequest` naming `where` and the field that has a wrong type.
    """
    given = as_map(value, where)
    artifact: Artifact = {}
    for key in _TEXTS:
        text = given.get(key)
        if text is None:
            continue
        if isinstance(text, bool | dict | list):
            raise BadRequest(f"'{where}.{key}' must be text, not {text!r:.100}.")
        artifact[key] = str(text)
    if isinstance(given.get("customKind"), bool):
        artifact["customKind"] = given["customKind"]
    metadata = as_map(given.get("metadata") or {}, f"{where}.metadata")
    unknown = {key: item for key, item in given.items() if key not in _KNOWN and item is not None}
    if metadata or unknown or "metadata" in given:
        artifact["metadata"] = metadata | unknown
    return artifact


def read_artifacts(value: Any, where: str) -> list[Artifact]:
    """Read a list of artifacts; nothing is an empty list, a single artifact a list of one."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [read_artifact(value, where)]
    return [read_artifact(item, f"{where}[{n}]") for n, item in enumerate(as_list(value, where))]


@dataclass(frozen=True, slots=True)
class ExpectedArtifact:
    """An artifact that a pipeline or stage waits for: a pattern, and what to take when nothing matches."""

    id: str
    match: Artifact
    use_prior: bool = False
    use_default: bool = False
    default: Artifact | None = None
    bound: Artifact | None = None
    display_name: str | None = None

    def document(self, bound: Artifact | None) -> JsonMap:
        """Give it as Spinnaker shows it, bound to `bound`."""
        shown: JsonMap = {
            "id": self.id,
            "matchArtifact": self.match,
            "usePriorArtifact": self.use_prior,
            "useDefaultArtifact": self.use_default,
        }
        if self.default is not None:
            shown["defaultArtifact"] = self.default
        if bound is not None:
            shown["boundArtifact"] = bound
        return shown

    def __str__(self) -> str:
        wanted = ", ".join(f"{key}={self.match[key]}" for key in _TEXTS[:5] if self.match.get(key))
        return f"'{self.display_name or self.id}' ({wanted or 'any artifact'})"


def read_expected(value: Any, where: str) -> list[ExpectedArtifact]:
    """Read a list of expected artifacts. Raises `BadRequest` naming what is wrong and where."""
    if value is None:
        return []
    return [_expected(item, f"{where}[{n}]") for n, item in enumerate(as_list(value, where))]


def _expected(value: Any, where: str) -> ExpectedArtifact:
    given = as_map(value, where)
    default, bound = given.get("defaultArtifact"), given.get("boundArtifact")
    name = given.get("displayName")
    return ExpectedArtifact(
        id=str(given.get("id") or ""),
        match=read_artifact(given.get("matchArtifact") or {}, f"{where}.matchArtifact"),
        use_prior=is_on(given.get("usePriorArtifact")),
        use_default=is_on(given.get("useDefaultArtifact")),
        default=read_artifact(default, f"{where}.defaultArtifact") if default else None,
        bound=read_artifact(bound, f"{where}.boundArtifact") if bound else None,
        display_name=name if isinstance(name, str) else None,
    )


def is_on(value: Any) -> bool:
    """Say whether a flag is set: true, or the text 'true'."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def as_map(value: Any, where: str) -> JsonMap:
    """Take `value` as an object, or raise `BadRequest` naming `where`."""
    if not isinstance(value, dict):
        raise BadRequest(f"'{where}' must be an object, not {value!r:.100}.")
    return cast(JsonMap, value)


def as_list(value: Any, where: str) -> list[Any]:
    """Take `value` as a list, or raise `BadRequest` naming `where`."""
    if not isinstance(value, list):
        raise BadRequest(f"'{where}' must be a list, not {value!r:.100}.")
    return cast(list[Any], value)
