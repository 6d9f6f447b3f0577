"""The nodes of an expression. Each knows its column, for errors."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression."""

    column: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A number, a text, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`{1, 2}`"""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """`{a: 1, 'b': 2}`"""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`#root`, `#this`, `#name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`#name(args)`"""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Property(Node):
    """`target.name`; without a target, a name looked up in the element or the root."""

    target: Node | None
    name: str
    safe: bool


@dataclass(frozen=True, slots=True)
class Method(Node):
    """`target.name(args)`"""

    target: Node | None
    name: str
    arguments: tuple[Node, ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`target[key]`"""

    target: Node
    key: Node
    safe: bool


@dataclass(frozen=True, slots=True)
class Selection(Node):
    """`target.?[test]` (all), `.^[test]` (first), `.$[test]` (last)"""

    target: Node
    which: str
    test: Node
    safe: bool


@dataclass(frozen=True, slots=True)
class Projection(Node):
    """`target.![value]`"""

    target: Node
    value: Node
    safe: bool


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`!a`, `-a`, `+a`"""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`a + b` and its like"""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Ternary(Node):
    """`a ? b : c`"""

    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Elvis(Node):
    """`a ?: b`"""

    value: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class TypeOf(Node):
    """`T(java.lang.Math)`"""

    name: str


@dataclass(frozen=True, slots=True)
class New(Node):
    """`new java.util.Date(args)`"""

    name: str
    arguments: tuple[Node, ...]
