"""Fuzzes expressions by coverage: no input may crash the interpreter, hang it, or reach Python.

`make fuzz` runs it; what follows on the command line goes to libFuzzer. The corpus begins with every text in the
tests, and is kept in the folder that `--corpus` names.
"""

import argparse
import ast
import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

# Installed in an environment of its own: see `make fuzz`.
atheris: Any = importlib.import_module("atheris")
with atheris.instrument_imports(include=["spel"]):
    import spel
    from spel.types import JavaType

SECRET = "the canary sings"
TESTS = Path(__file__).parents[1] / "tests"
WORDS = Path(__file__).with_name("words.txt").read_text().split()


class Canary:
    """A host's object that shows nothing: what is in it must never come out."""

    secret = SECRET

    def __str__(self) -> str:
        return "canary"


def _secret() -> Canary:
    return Canary()


ROOT: dict[str, Any] = {
    "name": "shop",
    "count": 21,
    "ratio": 2.5,
    "flag": True,
    "nothing": None,
    "text": "The quick brown fox",
    "list": ["a", "b", 3, None],
    "map": {"k": "v", "with-dash": 1, "1": "one"},
    "stages": [{"name": "bake", "status": "SUCCEEDED", "ms": 10}, {"name": "deploy", "status": "TERMINAL", "ms": 30}],
    "canary": Canary(),
}
FUNCTIONS = {"twice": lambda value: value * 2, "secret": _secret}
LIMITS = spel.Limits(steps=20_000, tree_steps=50_000)


def check(value: Any) -> None:
    """Fail when a result has anything in it that an expression should not get hold of."""
    waiting = [value]
    for _ in range(10_000):
        if not waiting:
            return
        item = waiting.pop()
        match item:
            case None | bool() | int() | float() | JavaType() | spel.JavaObject() | Canary():
                continue
            case str():
                assert SECRET not in item, "the secret got out"
            case dict():
                waiting += [*item, *item.values()]
            case list():
                waiting += item
            case _:
                raise AssertionError(f"an expression got hold of {type(item)}")


def check_place(error: spel.SpelError) -> None:
    """Fail when an error points outside of its expression."""
    assert 0 <= error.column <= len(error.expression)
    error.pointed()


def evaluate(text: str) -> None:
    """Evaluate a text in all ways; one that knows the secret proves nothing."""
    if SECRET in text:
        return
    try:
        value = spel.evaluate(text, ROOT, functions=FUNCTIONS, limits=LIMITS)
        check(value)
        check(spel.to_text(value))
    except spel.SpelError as error:
        check_place(error)
    rendered, problems = spel.render_tree({"a": [text, f"${{{text}}}"], text: f"x ${{{text}}} y"}, ROOT, limits=LIMITS)
    check(rendered)
    for problem in problems:
        problem.pointed()


def of_words(data: bytes) -> str:
    """Make a text of words and pieces of the input: most random characters are no expression."""
    provider = atheris.FuzzedDataProvider(data)
    pieces: list[str] = []
    while provider.remaining_bytes() and len(pieces) < 200:
        if provider.ConsumeIntInRange(0, 9):
            pieces.append(WORDS[provider.ConsumeIntInRange(0, len(WORDS) - 1)])
        else:
            pieces.append(provider.ConsumeUnicodeNoSurrogates(4))
    return "".join(pieces)


def one_input(data: bytes) -> None:
    """Take one input: half of them as text, half as choices of words."""
    if data[:1] < b"\x80":
        evaluate(data.decode("utf-8", "replace"))
    else:
        evaluate(of_words(data[1:]))


def seed(corpus: Path) -> None:
    """Write each text of the tests into the corpus, and a hundred choices of words."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(100):
        choices = hashlib.shake_128(str(number).encode()).digest(10 + number)
        (corpus / f"words-{number}").write_bytes(b"\x80" + choices)
    for file in TESTS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 1000:
                content = node.value.encode()
                (corpus / hashlib.sha1(content, usedforsecurity=False).hexdigest()).write_bytes(content)


def main() -> None:
    """Fuzz until libFuzzer's own options say so."""
    options = argparse.ArgumentParser()
    options.add_argument("--corpus", type=Path, required=True)
    known, rest = options.parse_known_args()
    seed(known.corpus)
    atheris.Setup([sys.argv[0], str(known.corpus), *rest], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
