"""Text into tokens."""

import re
from dataclasses import dataclass
from typing import Any

from spel.errors import ParseError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<real>\d+\.\d+(?:[eE][+-]?\d+)?[fFdD]?|\d+[eE][+-]?\d+[fFdD]?|\d+[fFdD]\b)
  | (?P<hex>0[xX][0-9a-fA-F]+[lL]?)
  | (?P<int>\d+[lL]?)
  | (?P<name>(?!\$\[)[A-Za-z_$][A-Za-z0-9_$]*)
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
            found.append(_token(kind, piece, position, found[-1] if found else None))
        position = match.end()
    found.append(Token("end", None, len(text)))
    return found


def _complaint(text: str, position: int) -> str:
    if text[position] in "'\"":
        return f"Cannot find the end of the text that begins at character {position}"
    return f"Unexpected character {text[position]!r} at character {position}"


def _token(kind: str, piece: str, position: int, before: Token | None) -> Token:
    match kind:
        case "text":
            quote = piece[0]
            return Token("value", piece[1:-1].replace(quote * 2, quote), position)
        case "int":
            return Token("value", int(piece.rstrip("lL")), position)
        case "hex":
            return Token("value", int(piece.rstrip("lL"), 16), position)
        case "real":
            return Token("value", float(piece.rstrip("fFdD")), position)
        case "name":
            after_dot = before is not None and before.value in (".", "?.", "#")
            operator = None if after_dot else _WORD_OPERATORS.get(piece.lower())
            return Token("op", operator, position) if operator else Token("name", piece, position)
        case _:
            return Token("op", piece, position)
