"""Regular expressions that users write, on RE2: linear time, no look-around, no back-references."""

import warnings
from functools import lru_cache
from typing import Any, cast

import re2


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """Compile a pattern; `None` when RE2 can't."""
    # re2 has no type stubs, and its options a class attribute that pyright can't see.
    module = cast(Any, re2)
    options = module.Options()
    options.log_errors = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return module.compile(pattern, options)
    except (module.error, UnicodeEncodeError):
        return None


def matches_all(pattern: str, text: str) -> bool:
    """Say whether `pattern` matches `text` from end to end; a pattern that RE2 can't use matches nothing."""
    found = compiled(pattern)
    return found is not None and found.fullmatch(text) is not None
