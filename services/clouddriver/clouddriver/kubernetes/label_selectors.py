"""Label selectors as Spinnaker's stages write them. Pure.

Source: Clouddriver's `KubernetesSelector` and `KubernetesSelectorList`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator


class SelectorKind(StrEnum):
    """How a label is compared."""

    ANY = "ANY"
    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT_CONTAINS"
    EXISTS = "EXISTS"
    NOT_EXISTS = "NOT_EXISTS"


_ONE_VALUE = (SelectorKind.EQUALS, SelectorKind.NOT_EQUALS)
_SOME_VALUES = (SelectorKind.CONTAINS, SelectorKind.NOT_CONTAINS)


class LabelSelector(BaseModel):
    """One condition on an object's labels."""

    kind: SelectorKind
    key: str = ""
    values: list[str] = Field(default_factory=list)

    @field_validator("kind", mode="before")
    @classmethod
    def _in_any_case(cls, kind: Any) -> Any:
        return kind.upper() if isinstance(kind, str) else kind

    @field_validator("key", "values", mode="before")
    @classmethod
    def _absent(cls, value: Any, info: Any) -> Any:
        return ("" if info.field_name == "key" else []) if value is None else value

    @model_validator(mode="after")
    def _complete(self) -> "LabelSelector":
        if self.kind is not SelectorKind.ANY and not self.key:
            raise ValueError(f"a selector of kind {self.kind} needs a 'key'")
        if self.kind in _ONE_VALUE and len(self.values) != 1:
            raise ValueError(f"a selector of kind {self.kind} needs exactly one value for '{self.key}'")
        if self.kind in _SOME_VALUES and not self.values:
            raise ValueError(f"a selector of kind {self.kind} needs a value for '{self.key}'")
        return self


class LabelSelectors(BaseModel):
    """Conditions that all have to hold."""

    selectors: list[LabelSelector] = Field(default_factory=list[LabelSelector])

    @field_validator("selectors", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return [] if value is None else value


def selects_everything(selectors: Sequence[LabelSelector]) -> bool:
    """Say whether there is no condition at all."""
    return all(selector.kind is SelectorKind.ANY for selector in selectors)


def as_query(selectors: Sequence[LabelSelector]) -> str:
    """Write selectors in Kubernetes' own syntax: `app = shop,tier in (a, b)`."""
    return ",".join(_QUERY[selector.kind](selector) for selector in selectors if selector.kind is not SelectorKind.ANY)


def matches(selectors: Sequence[LabelSelector], labels: Mapping[str, Any]) -> bool:
    """Say whether labels fulfil all selectors, as the API server would."""
    return all(_MATCH[selector.kind](selector, labels) for selector in selectors)


_QUERY: dict[SelectorKind, Callable[[LabelSelector], str]] = {
    SelectorKind.EQUALS: lambda s: f"{s.key} = {s.values[0]}",
    SelectorKind.NOT_EQUALS: lambda s: f"{s.key} != {s.values[0]}",
    SelectorKind.CONTAINS: lambda s: f"{s.key} in ({', '.join(s.values)})",
    SelectorKind.NOT_CONTAINS: lambda s: f"{s.key} notin ({', '.join(s.values)})",
    SelectorKind.EXISTS: lambda s: s.key,
    SelectorKind.NOT_EXISTS: lambda s: f"!{s.key}",
}

_MATCH: dict[SelectorKind, Callable[[LabelSelector, Mapping[str, Any]], bool]] = {
    SelectorKind.ANY: lambda _, __: True,
    SelectorKind.EQUALS: lambda s, labels: labels.get(s.key) == s.values[0],
    SelectorKind.NOT_EQUALS: lambda s, labels: labels.get(s.key) != s.values[0],
    SelectorKind.CONTAINS: lambda s, labels: labels.get(s.key) in s.values,
    SelectorKind.NOT_CONTAINS: lambda s, labels: labels.get(s.key) not in s.values,
    SelectorKind.EXISTS: lambda s, labels: s.key in labels,
    SelectorKind.NOT_EXISTS: lambda s, labels: s.key not in labels,
}
