"""The nodes of an expression. Each knows its column, for errors."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, cast


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """A part of an expression."""

    column: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Literal(Node):
    """A number, a text, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListOf(Node):
    """`{1, 2}`"""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MapOf(Node):
    """`{a: 1, 'b': 2}`"""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Variable(Node):
    """`#root`, `#this`, `#name`"""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Node):
    """`#name(args)`"""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Link(Node):
    """What follows a value: a chain of links is evaluated from its first to its last.

    Without a target it begins with the element at hand (`#this`).
    """

    target: Node | None
    safe: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Property(Link):
    """`target.name`; without a target, a name looked up in the element or the root."""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Method(Link):
    """`target.name(args)`"""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Index(Link):
    """`target[key]`"""

    key: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Selection(Link):
    """`target.?[test]` (all), `.^[test]` (first), `.$[test]` (last)"""

    which: str
    test: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Projection(Link):
    """`target.![value]`"""

    value: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unary(Node):
    """`!a`, `-a`, `+a`"""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Binary(Node):
    """`a + b` and its like"""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ternary(Node):
    """`a ? b : c`"""

    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Elvis(Node):
    """`a ?: b`"""

    value: Node
    otherwise: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TypeOf(Node):
    """`T(java.lang.Math)`"""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class New(Node):
    """`new java.util.Date(args)`"""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NewArray(Node):
    """`new int[3]`, `new String[2][3]`, `new int[]{1, 2}`"""

    name: str
    sizes: tuple[Node | None, ...]
    items: ListOf | None


def walk(node: Node) -> Iterator[Node]:
    """Give a node and all nodes within it."""
    waiting: list[Any] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(cast(tuple[Any, ...], item))
        elif isinstance(item, Node):
            yield item
            waiting.extend(getattr(item, field.name) for field in fields(item))
