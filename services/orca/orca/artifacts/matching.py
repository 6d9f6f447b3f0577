"""Whether an artifact is the one that is expected. User patterns run on RE2: linear time, no look-around."""

from orca.artifacts.model import Artifact, ExpectedArtifact
from orca.patterns import compiled, matches_all

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
    return pattern == text or matches_all(pattern, text)


def unusable_patterns(expected: ExpectedArtifact) -> list[str]:
    """List the patterns of `expected` that RE2 can't compile: they match only themselves."""
    patterns = (expected.match.get(field) for field in ("type", *_COMPARED))
    return [pattern for pattern in patterns if pattern and compiled(pattern) is None]


def _type_matches(wanted: str | None, given: str | None) -> bool:
    if wanted in _EMBEDDED and given in _EMBEDDED:
        return True
    return text_matches(wanted, given)
