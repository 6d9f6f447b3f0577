"""How much an expression may cost.

Everything that takes time or memory is paid for in steps: a node evaluated, an element of a collection looked at,
64 characters of a text read or made, an attempt of a regular expression. So no expression takes longer than its steps
do, whatever it is made of.
"""

from dataclasses import dataclass
from typing import Any, cast

from spel.errors import LimitError

TEXT_LENGTH = 1_000_000
COLLECTION_SIZE = 100_000
NUMBER_BITS = 256
PATTERN_LENGTH = 1_000
CHARACTERS_A_STEP = 64
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one expression, and with `tree_steps` of all expressions of one tree together.

    `depth` is how deep an expression may be nested, `output_nodes` how many values a result may consist of.
    """

    steps: int = 200_000
    tree_steps: int = 1_000_000
    depth: int = 100
    expression_length: int = 10_000
    output_length: int = TEXT_LENGTH
    output_nodes: int = 1_000_000
    collection_size: int = COLLECTION_SIZE


DEFAULT_LIMITS = Limits()


class Meter:
    """Counts steps down. Not to be shared between threads."""

    __slots__ = ("left", "steps")

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.left = steps

    @property
    def used(self) -> int:
        """How many steps have been taken."""
        return self.steps - self.left

    def spend(self, steps: int) -> None:
        """Take steps; raise `LimitError` when there are none left."""
        self.left -= steps
        if self.left < 0:
            raise LimitError(f"The expression needs more than {self.steps} steps")

    def weigh(self, value: Any) -> None:
        """Take the steps that it costs to walk through a value."""
        self.spend(weight_of(value, self.left))


def weight_of(value: Any, most: int) -> int:
    """Count the values within a value as a walk through it would, parts that are there twice twice.

    Stops counting beyond `most`. Never recursive: values may be nested as deeply as they like.
    """
    weight = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        weight += 1
        if isinstance(item, str):
            weight += len(item) // CHARACTERS_A_STEP
        elif isinstance(item, dict):
            entries = cast(dict[Any, Any], item)
            weight += len(entries)
            waiting.extend(entries.values())
        elif isinstance(item, list | tuple):
            waiting.extend(cast(list[Any], item))
        if weight > most:
            break
    return weight


def check_length(length: int) -> None:
    """Raise `LimitError` for a text that would become too long."""
    if length > TEXT_LENGTH:
        raise LimitError(f"A text longer than {TEXT_LENGTH} characters came out")


def check_depth(depth: int) -> None:
    """Raise `LimitError` for what is nested deeper than any walk goes."""
    if depth > _DEEPEST:
        raise LimitError(f"The value is nested deeper than {_DEEPEST} levels")
