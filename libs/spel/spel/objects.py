"""What the host may let expressions see, and how values read as text."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class SpelObject(Protocol):
    """An object whose properties the host chooses to show. Nothing else of it can be reached."""

    def spel_has(self, name: str) -> bool:
        """Say whether there is a property `name`."""
        ...

    def spel_get(self, name: str) -> Any:
        """Give the property `name`."""
        ...


class JavaObject:
    """A value of an allow-listed Java type that JSON has no like of (a date, a random generator)."""

    java_name = "java.lang.Object"

    def text(self) -> str:
        """Give what Java's `toString` would."""
        raise TypeError(f"{self.java_name} has no text")


def type_name(value: Any) -> str:
    """Name a value's type as Java would."""
    match value:
        case None:
            return "null"
        case bool():
            return "java.lang.Boolean"
        case int():
            return "java.lang.Integer" if -(2**31) <= value < 2**31 else "java.lang.Long"
        case float():
            return "java.lang.Double"
        case str():
            return "java.lang.String"
        case list() | tuple():
            return "java.util.ArrayList"
        case JavaObject():
            return value.java_name
        case Mapping():
            return "java.util.LinkedHashMap"
        case _:
            return type(value).__name__


def to_text(value: Any) -> str:
    """Write a value as Java's `toString` does: `true`, `1.0`, `[a, b]`, `{k=v}`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return str(value)
        case int():
            return str(value)
        case float():
            return _double(value)
        case JavaObject():
            return value.text()
        case list() | tuple() | set() | frozenset():
            return "[" + ", ".join(to_text(item) for item in value) + "]"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case Mapping():
            return "{" + ", ".join(f"{to_text(k)}={to_text(v)}" for k, v in value.items()) + "}"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return str(value)


def _double(value: float) -> str:
    """Write a double as Java does: decimal from 10^-3 to below 10^7, else in `E` notation."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = format(value, "f") if "e" in repr(value) else repr(value)
        return plain if "." in plain else plain + ".0"
    mantissa, exponent = f"{value:e}".split("e")
    digits = repr(value).replace("-", "").replace(".", "").split("e")[0].strip("0") or "0"
    sign = "-" if mantissa.startswith("-") else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{int(exponent)}"
