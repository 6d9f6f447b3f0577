"""Text into tokens."""

import re
from dataclasses import dataclass
from typing import Any

from spel.errors import ParseError
from spel.numbers import INT_MAX, LONG_MAX, Long, to_float

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<real>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?[fFdDlL]?|[0-9]+[eE][+-]?[0-9]+[fFdDlL]?|[0-9]+[fFdD]\b)
  | (?P<hex>0[xX][0-9a-fA-F]+[lL]?)
  | (?P<int>[0-9]+[lL]?)
  | (?P<name>(?!\$\[)(?:[^\W\d]|\$)(?:\w|\$)*)
  | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
  | (?P<op>\?\.|\?:|\?\[|\^\[|\$\[|!\[|==|!=|<=|>=|&&|\|\||\+\+|--|[-+*/%^!<>?:.,()\[\]{}=\#@&])
    """,
    re.VERBOSE,
)
_WORD_OPERATORS = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "and": "&&", "or": "||", "not": "!", "div": "/", "mod": "%",
}  # fmt: skip
WORDS = ("instanceof", "matches", "between")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression: its kind (`op`, `name`, `value`, `end`), text or value, and column."""

    kind: str
    value: Any
    column: int


def tokens(text: str) -> list[Token]:
    """Split an expression; raise `ParseError` at the first character that belongs to no token."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ParseError(_complaint(text, position), text, position)
        kind, piece = str(match.lastgroup), match.group()
        if kind != "space":
            found.append(_token(kind, piece, position, found[-1] if found else None, text))
        position = match.end()
    found.append(Token("end", None, len(text)))
    return found


def _complaint(text: str, position: int) -> str:
    match text[position]:
        case "'":
            what = "EL1046E: Cannot find terminating ' for string"
        case '"':
            what = 'EL1045E: Cannot find terminating " for string'
        case "\\":
            what = "EL1065E: Unexpected escape character"
        case other:
            what = f"Unexpected character {other!r}"
    return positioned(text, position, what)


def positioned(text: str, column: int, what: str) -> str:
    """Give the message of a parse error as Spring words it."""
    return f"Expression [{text}] @{column}: {what}"


def _token(kind: str, piece: str, position: int, before: Token | None, text: str) -> Token:
    match kind:
        case "text":
            quote = piece[0]
            return Token("value", piece[1:-1].replace(quote * 2, quote), position)
        case "int" | "hex":
            return Token("value", _whole(piece, 16 if kind == "hex" else 10, position, text), position)
        case "real":
            if piece[-1] in "lL":
                what = "EL1048E: Real number cannot be suffixed with a long (L or l) suffix"
                raise ParseError(positioned(text, position, what), text, position)
            number = float(piece.rstrip("fFdD"))
            return Token("value", to_float(number) if piece[-1] in "fF" else number, position)
        case "name":
            after_dot = before is not None and before.kind == "op" and before.value in (".", "?.", "#")
            operator = None if after_dot else _WORD_OPERATORS.get(piece.lower())
            return Token("op", operator, position) if operator else Token("name", piece, position)
        case _:
            return Token("op", piece, position)


def _whole(piece: str, radix: int, position: int, text: str) -> int:
    is_long = piece[-1] in "lL"
    digits = piece.rstrip("lL")
    most = LONG_MAX if is_long else INT_MAX
    value = int(digits, radix) if len(digits) <= 40 else most + 1
    if value > most:
        code, kind = ("EL1036E", "a long") if is_long else ("EL1035E", "an int")
        what = f"{code}: The value '{digits[:100]}' cannot be parsed as {kind}"
        raise ParseError(positioned(text, position, what), text, position)
    return Long(value) if is_long else value
