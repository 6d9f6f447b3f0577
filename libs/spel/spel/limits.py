"""How much an expression may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one evaluation: evaluator steps, nesting, text length, and size of what comes out."""

    steps: int = 100_000
    depth: int = 100
    expression_length: int = 10_000
    output_length: int = 1_000_000
    collection_size: int = 100_000


DEFAULT_LIMITS = Limits()
