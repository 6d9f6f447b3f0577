"""That conformance cases say what they mean, and that their expectations can fail."""

from typing import Any

import pytest
from orca.testing.conformance import InvalidCase, differences, read_case
from orca.testing.conformance.matching import has, like, negated

HELD: list[tuple[Any, Any]] = [
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": {"b": []}}, {"a": {"b": [], "c": 1}}),
    ([1, {"a": 2}], [1, {"a": 2, "b": 3}]),
    ({"gone": "<absent>"}, {}),
    ("<ms>", 1_795_487_438_000),
    ("<id>", "01M85P7MC3AZ7F8HN0T141MMGH"),
    ("<some>", 0),
    (like("b.d"), "a\nb\nd"),
    (has([1, {"a": 2}]), [3, {"a": 2, "b": 1}, 1]),
    (negated("a"), "b"),
    (1, 1.0),
]
NOT_HELD: list[tuple[Any, Any, str]] = [
    ({"a": 1}, {"b": 1}, "a: expected 1, but there is no such key"),
    ({"a": 1}, {"a": "1"}, "a: expected 1, found '1'"),
    ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b: expected 1, found 2"),
    ({"a": [1]}, {"a": [1, 2]}, "a: expected [1], found [1, 2]"),
    ([{"a": 1}], [{"a": 2}], "[0].a: expected 1, found 2"),
    ({"gone": "<absent>"}, {"gone": None}, "gone: expected '<absent>', found None"),
    ({"a": None}, {}, "a: expected None, but there is no such key"),
    (1, True, "all: expected 1, found True"),
    (0, False, "all: expected 0, found False"),
    ("<ms>", 12, "all: expected '<ms>', found 12"),
    ("<id>", "1", "all: expected '<id>', found '1'"),
    ("<some>", None, "all: expected '<some>', found None"),
    (like("x"), "abc", "all: expected !like 'x', found 'abc'"),
    (has([1, 2]), [1], "all: expected !has [1, 2], found [1]"),
    (negated("a"), "a", "all: expected !not 'a', found 'a'"),
]


@pytest.mark.parametrize(("expected", "found"), HELD)
def test_what_is_as_expected_makes_no_difference(expected: Any, found: Any):
    assert differences(expected, found) == []


@pytest.mark.parametrize(("expected", "found", "told"), NOT_HELD)
def test_a_difference_is_told_with_its_place(expected: Any, found: Any, told: str):
    assert differences(expected, found) == [told]


REFUSED = {
    "a field that no case has": (
        "{rule: 1 r, pipeline: {}, expect: {main: {status: SUCCEEDED}}, expcet: {}}",
        "expcet",
    ),
    "a field that no execution has": ("{rule: 1 r, pipeline: {}, expect: {main: {statsu: <absent>}}}", "statsu"),
    "a field that no stage has": ('{rule: 1 r, pipeline: {}, expect: {main: {stages: {"1": {end: 1}}}}}', "end"),
    "a field that no task has": ('{rule: 1 r, pipeline: {}, expect: {main: {stages: {"1": {tasks: [{x: 1}]}}}}}', "x"),
    "nothing expected": ("{rule: 1 r, pipeline: {}}", "proves nothing"),
    "an execution that nobody starts": ("{rule: 1 r, pipeline: {}, expect: {other: {status: SUCCEEDED}}}", "other"),
    "a step that does two things": ("{rule: 1 r, steps: [{start: a, pipeline: {}, do: GET /}]}", "one of"),
    "a step that does nothing": ("{rule: 1 r, steps: [{answers: 200}]}", "one of"),
    "no YAML": ("{rule: [", "expected"),
    "a list": ("[1, 2]", "case"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_a_case_that_means_nothing_is_refused(text: str, told: str):
    with pytest.raises(InvalidCase, match=told):
        read_case(text, "case")
