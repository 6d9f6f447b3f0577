"""YAML that users write, read within bounds: a short text can't become a huge value, or take long."""

from typing import Any

import yaml
from spel import LimitError

_MOST_ALIASES = 50
_DEEPEST = 50
_LONGEST = 1_000_000


def documents_in(text: str) -> list[Any]:
    """Read all documents of a text. Raises `ValueError` that says what is wrong, `LimitError` for a text too long."""
    if len(text) > _LONGEST:
        raise LimitError(f"A text above {_LONGEST} characters can't be read as YAML")
    try:
        _check(text)
        return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())[:300]) from error


def _check(text: str) -> None:
    """Refuse many aliases, and depth, before anything is built: building is recursive."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > _MOST_ALIASES:
                raise ValueError(f"there are more than {_MOST_ALIASES} aliases")
