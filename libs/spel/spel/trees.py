"""The expressions in all texts of a tree of maps and lists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from spel.evaluator import Functions
from spel.limits import DEFAULT_LIMITS, Limits, Meter
from spel.objects import to_text
from spel.template import OPEN, Problem, Rendered, Scope, attempted, render_text
from spel.texts import java_hash

_DEEPEST = 200

Instead = Callable[[str, Callable[[], Rendered]], Rendered]
Keys = tuple[str, ...]


def render_tree(
    value: Any,
    root: Any,
    *,
    functions: Functions | None = None,
    variables: Mapping[str, Any] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Any, list[Problem]]:
    """Evaluate the expressions in all texts of a tree, keys included; the tree itself is not changed.

    Gives the evaluated tree and the problems in the order in which they were met.
    """
    done = TreeRenderer(Scope(root, functions, variables, limits))
    return done.render(value), done.problems


@dataclass
class TreeRenderer:
    """Renders trees, and remembers what failed (`problems`) and what was tried at all (`attempted`).

    All trees together take their steps from one meter. With `instead` the host decides for each text: it may
    evaluate it, or give what it knows.
    """

    scope: Scope
    instead: Instead | None = None
    problems: list[Problem] = field(default_factory=list[Problem])
    attempted: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self._total = Meter(self.scope.limits.tree_steps)

    def render(self, value: Any) -> Any:
        """Give the tree with its expressions evaluated."""
        return self._walk(value, (), None, 0)

    def _walk(self, item: Any, path: Keys, holder: "_Holder | None", depth: int) -> Any:
        if isinstance(item, str):
            return self._text(item, path, holder) if OPEN in item else item
        if depth > _DEEPEST:
            return item
        if isinstance(item, dict):
            entries = cast(dict[str, Any], item)
            own = _Holder(entries)
            rendered: dict[str, Any] = {}
            for key, inner in entries.items():
                name = to_text(self._text(key, path, own)) if OPEN in key else key
                rendered[name] = self._walk(inner, (*path, key), own, depth + 1)
            return rendered
        if isinstance(item, list):
            return [self._walk(inner, path, holder, depth + 1) for inner in cast(list[Any], item)]
        return item

    def _text(self, text: str, path: Keys, holder: "_Holder | None") -> Any:
        def evaluated() -> Rendered:
            meter = Meter(max(0, min(self.scope.limits.steps, self._total.left)))
            try:
                return render_text(text, self.scope, meter, lambda: holder.keys_of(text) if holder else ())
            finally:
                self._total.left -= meter.used

        rendered = self.instead(text, evaluated) if self.instead else evaluated()
        self.attempted.add(rendered.attempted or attempted(text, self.scope))
        self.problems += [replace(problem, path=path) for problem in rendered.problems]
        return rendered.value


class _Holder:
    """A map, and under which of its keys a text stands, in it or in maps within it: what a failure is told with."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._entries = entries
        self._keys: dict[str, list[str]] | None = None

    def keys_of(self, text: str) -> Keys:
        if self._keys is None:
            self._keys = {}
            for key, value in self._entries.items():
                for found in _texts_in(value):
                    self._keys.setdefault(found, []).append(key)
        return tuple(sorted(self._keys.get(text, ()), key=_bucket))


def _texts_in(value: Any) -> set[str]:
    """Find the texts with expressions that are a value, or stand in maps (not in lists) within it."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if OPEN in item:
                found.add(item)
        elif isinstance(item, dict):
            entries = cast(dict[Any, Any], item)
            waiting += [*entries, *entries.values()]
    return found


def _bucket(key: str) -> int:
    """Say in which bucket of a small Java `HashSet` a text is: the order in which Spinnaker names several keys."""
    spread = java_hash(key[:100]) & 0xFFFFFFFF
    return (spread ^ (spread >> 16)) & 15
