"""The functions on texts: JSON, YAML, properties, base 64, numbers.

Source: Spinnaker's `JsonExpressionFunctionProvider`, `StringExpressionFunctionProvider`,
`UrlExpressionFunctionProvider`.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import orjson
from spel import Float, JavaObject, Thrown, parse_real, parse_whole, plain, to_float, to_text

HELPER = "com.netflix.spinnaker.kork.expressions.SpelHelperFunctionException"
_NOT_ALPHANUMERICAL = re.compile(r"[^A-Za-z0-9]")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def failed(message: str) -> Thrown:
    """Make the error of a function, as Spinnaker's functions throw it."""
    return Thrown(HELPER, message)


class NotEvaluable(JavaObject):
    """What `#doNotEval` gives."""

    java_name = "com.netflix.spinnaker.kork.expressions.NotEvaluableExpression"

    def __init__(self, expression: Any) -> None:
        self.expression = expression

    def text(self) -> str:
        return to_text(self.expression)

    def json(self) -> Any:
        return {"expression": plain(self.expression)}


def to_json(value: Any) -> str:
    """Write JSON. A text with an expression in it is refused, unless the value comes from `#doNotEval`."""
    exempt = isinstance(value, NotEvaluable)
    text = orjson.dumps(plain(value.expression if exempt else value), option=orjson.OPT_NON_STR_KEYS).decode()
    if "${" in text and not exempt:
        raise failed("result for toJson cannot contain an expression")
    return text


def do_not_eval(value: Any) -> NotEvaluable:
    """Keep a value for `#toJson` although there are expressions in it."""
    return NotEvaluable(value)


def to_int(value: Any) -> int:
    """Read a whole number."""
    return parse_whole(None if value is None else to_text(value))


def to_float_number(value: Any) -> Float:
    """Read a number with a point, of 32 bits."""
    return to_float(parse_real(None if value is None else to_text(value)))


def to_boolean(value: Any) -> bool:
    """Say whether a text is `true`, in any case."""
    return value is not None and to_text(value).lower() == "true"


def to_base64(value: Any) -> str:
    """Write a text in base 64."""
    return base64.b64encode(_text(value).encode("utf-8", "replace")).decode()


def from_base64(value: Any) -> str:
    """Read a text in base 64."""
    text = _text(value)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise Thrown("java.lang.IllegalArgumentException", f"Illegal base64 text: {error}") from error


def alphanumerical(value: Any) -> str:
    """Leave out all but letters and digits."""
    return _NOT_ALPHANUMERICAL.sub("", _text(value))


def read_json(value: Any) -> Any:
    """Read a JSON object, or a list when the text begins with `[`."""
    text = _text(value)
    try:
        found = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeError) as error:
        raise failed(f"#readJson({text[:100]}) failed: {error}") from error
    if not isinstance(found, list if text.startswith("[") else dict):
        raise failed(f"#readJson({text[:100]}) failed: it is neither an object nor a list")
    return found  # pyright: ignore[reportUnknownVariableType]


def read_yaml(value: Any) -> Any:
    """Read a YAML document."""
    documents = _documents(value, "readYaml")
    if len(documents) > 1:
        raise failed("#readYaml failed: there is more than one document (use #readAllYaml)")
    return documents[0] if documents else None


def read_all_yaml(value: Any) -> list[Any]:
    """Read all documents of a YAML text."""
    return _documents(value, "readAllYaml")


def _documents(value: Any, function: str) -> list[Any]:
    from orca.expressions.yaml_documents import documents_in

    text = _text(value)
    try:
        return documents_in(text)
    except ValueError as error:
        raise failed(f"#{function}({text[:100]}) failed: {error}") from error


def read_properties(text: str) -> dict[str, str]:
    """Read the text of a Java properties file."""
    found: dict[str, str] = {}
    waiting = ""
    for line in text.splitlines():
        line = waiting + line.lstrip(" \t\f")
        if not waiting and (not line or line[0] in "#!"):
            continue
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            waiting = line[:-1]
            continue
        waiting = ""
        key, value = _entry(line)
        found[key] = value
    if waiting:
        key, value = _entry(waiting)
        found[key] = value
    return found


_ENTRY = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*(?:[=:][ \t\f]*)?(.*)", re.DOTALL)


def _entry(line: str) -> tuple[str, str]:
    match = _ENTRY.fullmatch(line)
    key, value = match.groups() if match else (line, "")
    return _unescaped(key), _unescaped(value)


_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    if "\\" not in text:
        return text
    # A pair of surrogates becomes its character, a lone one is replaced.
    return _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(value: Any) -> str:
    if value is None:
        raise Thrown("java.lang.NullPointerException", "a text is needed here, not null")
    return to_text(value)


PURE: dict[str, Callable[..., Any]] = {
    "alphanumerical": alphanumerical,
    "doNotEval": do_not_eval,
    "fromBase64": from_base64,
    "readAllYaml": read_all_yaml,
    "readJson": read_json,
    "readYaml": read_yaml,
    "toBase64": to_base64,
    "toBoolean": to_boolean,
    "toFloat": to_float_number,
    "toInt": to_int,
    "toJson": to_json,
}
