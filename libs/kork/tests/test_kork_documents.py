"""JSON from outside: kept as given, or refused with the place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kork.documents import object_in, objects_in, read_json, read_object, write_json
from kork.errors import BadRequest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1' + b"0" * 400 + b"}", "too large"),
        (b'{"a": ["x", "\\u0000"]}', "'a[1]'"),
        (b'{"a": {"b": "\\ud800"}}', "'a.b'"),
        (b'{"a": {"\\u0000": 1}}', "'a key in a'"),
        (b"[" * 300 + b"]" * 300, "nested deeper"),
        (b"[" * 20_000, "nested deeper"),
        (b'{"a":' * 151 + b"1" + b"}" * 151, "nested deeper"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_place(content: bytes, says: str):
    with pytest.raises(BadRequest) as refused:
        read_json(content)
    assert says in refused.value.message


@pytest.mark.parametrize("value", [2**63, 2**64, -(2**63) - 1, 10**300, [[]] * 200, "\\u0000", "\ufeff", 0.1, -0.0])
def test_what_can_be_kept_is_read_as_it_was_written(value: Any):
    assert read_json(b"\xef\xbb\xbf" + json.dumps(value).encode()) == value
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(("content", "type"), [(b"[]", "an array"), (b"null", "null"), (b"3", "a number")])
def test_an_object_is_wanted(content: bytes, type: str):
    with pytest.raises(BadRequest, match=type):
        read_object(content)


storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | storable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable, inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_what_is_read_is_written_again(value: Any):
    assert read_json(write_json(value)) == value
    assert json.loads(write_json(value)) == value


def test_what_is_no_object_is_left_out():
    assert objects_in([{"a": 1}, 2, None]) == [{"a": 1}]
    assert objects_in("text") == []
    assert object_in([1]) == {}
