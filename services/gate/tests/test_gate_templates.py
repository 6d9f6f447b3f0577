"""What gate decides of templates by itself."""

from typing import Any

import orjson
import pytest
from gate.templates.endpoints import application_of, checked, name_of
from kork.errors import BadRequest


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"scopes": ["shop"]}, "shop"),
        ({"scopes": ["global"]}, "spinnaker"),
        ({"scopes": ["shop", "bank"]}, "spinnaker"),
        ({"scopes": []}, "spinnaker"),
        ({"scopes": "shop"}, "spinnaker"),
        ({"scopes": [7]}, "spinnaker"),
        (None, "spinnaker"),
        ([], "spinnaker"),
    ],
)
def test_a_template_of_one_application_is_that_application_s_business(metadata: Any, expected: str):
    assert application_of({"metadata": metadata}) == expected


def test_a_template_is_called_by_its_name_or_its_id():
    assert name_of({"id": "x", "metadata": {"name": "Deploy"}}) == "Deploy"
    assert name_of({"id": "x"}) == "x"
    assert name_of({}) == "Unknown"


def test_a_template_is_passed_on_byte_for_byte_and_gets_its_schema():
    content = b'{"schema": "v2",  "n": 1e30}'
    assert checked(orjson.loads(content), content) == ({"schema": "v2", "n": 1e30}, content)
    template, sent = checked({"id": "x"}, b'{"id": "x"}')
    assert orjson.loads(sent) == template == {"id": "x", "schema": "v2"}


@pytest.mark.parametrize(
    ("schema", "told"), [("1", "Write it as a v2 template"), ("v3", "has to be 'v2'"), (2, "'v2'")]
)
def test_another_schema_is_refused(schema: Any, told: str):
    with pytest.raises(BadRequest, match="schema version is invalid") as raised:
        checked({"schema": schema}, b"")
    assert told in raised.value.message
