"""What the host may let expressions see, and how values read as text."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from spel.errors import LimitError
from spel.limits import check_depth, check_length
from spel.numbers import Float, Long, fits_long, is_int

Method = Callable[..., Any]


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
    """A value of an allow-listed Java type that JSON has no like of (a date, a random generator).

    `METHODS` are what may be called on it; nothing else of it can be reached.
    """

    java_name = "java.lang.Object"
    METHODS: ClassVar[Mapping[str, Method]] = {}

    def text(self) -> str:
        """Give what Java's `toString` would."""
        raise TypeError(f"{self.java_name} has no text")

    def key(self) -> Any:
        """Give what equal ones have in common, and by which they are sorted; `None` if they can't be sorted."""
        return None

    def json(self) -> Any:
        """Give what becomes of it in JSON."""
        return self.text()


class JavaEnum(JavaObject):
    """A constant of an enum. It equals the text of its name too, which is how people compare them."""

    def __init__(self, name: str, ordinal: int) -> None:
        self.name, self.ordinal = name, ordinal

    def text(self) -> str:
        return self.name

    def key(self) -> Any:
        return self.ordinal


class JavaArray(list[Any]):
    """An array: a list that has a `length`."""

    java_name = "java.lang.Object[]"


def type_name(value: Any) -> str:
    """Name a value's type as Java would."""
    match value:
        case None:
            return "null"
        case bool():
            return "java.lang.Boolean"
        case Long():
            return "java.lang.Long"
        case int():
            return _whole_name(value)
        case Float():
            return "java.lang.Float"
        case float():
            return "java.lang.Double"
        case str():
            return "java.lang.String"
        case JavaArray():
            return value.java_name
        case list() | tuple():
            return "java.util.ArrayList"
        case JavaObject():
            return value.java_name
        case Mapping():
            return "java.util.LinkedHashMap"
        case _:
            return str(getattr(value, "java_name", type(value).__name__))  # pyright: ignore[reportUnknownArgumentType]


def _whole_name(value: int) -> str:
    if is_int(value):
        return "java.lang.Integer"
    return "java.lang.Long" if fits_long(value) else "java.math.BigInteger"


def to_text(value: Any) -> str:
    """Write a value as Java's `toString` does: `true`, `1.0`, `[a, b]`, `{k=v}`. Raises `LimitError`."""
    if isinstance(value, str):
        return value
    pieces: list[str] = []
    _write(value, pieces, 0, 0)
    return "".join(pieces)


def _write(value: Any, pieces: list[str], length: int, depth: int) -> int:
    """Add a value's text to `pieces`, which have `length` characters; give the new length."""
    check_depth(depth)
    if isinstance(value, dict):
        between = "{"
        for key, item in cast(dict[Any, Any], value).items():
            length = _add(between, pieces, length)
            length = _write(key, pieces, length, depth + 1)
            length = _write(item, pieces, _add("=", pieces, length), depth + 1)
            between = ", "
        return _add("}" if between != "{" else "{}", pieces, length)
    if isinstance(value, list | tuple):
        between = "["
        for item in cast(list[Any], value):
            length = _write(item, pieces, _add(between, pieces, length), depth + 1)
            between = ", "
        return _add("]" if between != "[" else "[]", pieces, length)
    return _add(_scalar(value), pieces, length)


def _add(piece: str, pieces: list[str], length: int) -> int:
    length += len(piece)
    check_length(length)
    pieces.append(piece)
    return length


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(int(value))
        case float():
            return double_text(value)
        case JavaObject():
            return value.text()
        case _:
            return str(value)


def double_text(value: float) -> str:
    """Write a double as Java does: decimal from 10^-3 to below 10^7, else in `E` notation."""
    value = float(value)
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


def converted_text(value: Any) -> str:
    """Convert a value to text as Spring's conversion service does: a list becomes its elements with commas.

    Raises `TypeError` for a map, which has no such form.
    """
    pieces: list[str] = []
    _convert(value, pieces, 0, 0)
    return "".join(pieces)


def _convert(value: Any, pieces: list[str], length: int, depth: int) -> int:
    check_depth(depth)
    if isinstance(value, dict):
        raise TypeError(type_name(cast(Any, value)))
    if isinstance(value, list | tuple):
        for at, item in enumerate(cast(list[Any], value)):
            length = _convert(item, pieces, _add(",", pieces, length) if at else length, depth + 1)
        return length
    return _add(_scalar(value), pieces, length)


def plain(value: Any, most: int = 1_000_000) -> Any:
    """Turn what an expression gave into plain JSON values, at most `most` of them. Raises `LimitError`."""
    left = most

    def convert(item: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise LimitError(f"More than {most} values came out")
        check_depth(depth)
        if item is None or isinstance(item, str | bool):
            return item
        if isinstance(item, int):
            return int(item)
        if isinstance(item, float):
            return float(item)
        if isinstance(item, JavaObject):
            return convert(item.json(), depth + 1)
        if isinstance(item, Mapping):
            entries = cast(Mapping[Any, Any], item)
            return {to_text(key): convert(inner, depth + 1) for key, inner in entries.items()}
        if isinstance(item, list | tuple | set | frozenset):
            return [convert(inner, depth + 1) for inner in cast(list[Any], item)]
        shown = getattr(item, "spel_plain", None)
        return convert(shown(), depth + 1) if callable(shown) else to_text(item)

    return convert(value, 0)


def equal(left: Any, right: Any) -> bool:
    """Say whether two values are equal as Java's `equals` sees it; whole and real numbers by their value."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, JavaEnum) and isinstance(right, str):
        return left.name == right
    if isinstance(right, JavaEnum) and isinstance(left, str):
        return right.name == left
    if isinstance(left, JavaObject) or isinstance(right, JavaObject):
        return left is right or (type(left) is type(right) and left.key() is not None and left.key() == right.key())
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        ours, theirs = cast(list[Any], left), cast(list[Any], right)
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    if isinstance(left, dict) and isinstance(right, dict):
        mine, other = cast(dict[Any, Any], left), cast(dict[Any, Any], right)
        return mine.keys() == other.keys() and all(equal(value, other[key]) for key, value in mine.items())
    return bool(left == right)
