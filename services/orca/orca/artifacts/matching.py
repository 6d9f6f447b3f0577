"""Whether an artifact is the one that is expected. User patterns run on RE2: linear time, no look-around."""

import warnings
from functools import lru_cache
from typing import Any, cast

import re2

from orca.artifacts.model import Artifact, ExpectedArtifact

_COMPARED = ("name", "version", "location", "reference")
_EMBEDDED = frozenset({"embedded/base64", "remote/base64"})


def matches(expected: ExpectedArtifact, artifact: Artifact) -> bool:
    """Say whether `artifact` is what `expected` asks for.

    Type, name, version, location and reference: what the pattern leaves blank may be anything; otherwise
    the text is equal or the pattern matches all of it. Source: kork's `ExpectedArtifact.matches`.
    """
    wanted = expected.match
    return _type_matches(wanted.get("type"), artifact.get("type")) and all(
        text_matches(wanted.get(field), artifact.get(field)) for field in _COMPARED
    )


def text_matches(pattern: str | None, text: str | None) -> bool:
    """Say whether `text` is `pattern`, or is matched by it from end to end; a blank pattern takes anything."""
    if not pattern or not pattern.strip():
        return True
    if text is None:
        return False
    if pattern == text:
        return True
    compiled = _compiled(pattern)
    return compiled is not None and compiled.fullmatch(text) is not None


def unusable_patterns(expected: ExpectedArtifact) -> list[str]:
    """List the patterns of `expected` that RE2 can't compile: they match only themselves."""
    patterns = (expected.match.get(field) for field in ("type", *_COMPARED))
    return [pattern for pattern in patterns if pattern and _compiled(pattern) is None]


def _type_matches(wanted: str | None, given: str | None) -> bool:
    if wanted in _EMBEDDED and given in _EMBEDDED:
        return True
    return text_matches(wanted, given)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
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
