"""Gate's rules, as tables."""

from typing import Any

import pytest
from gate.applications.merge import matches, merge_lists, merge_one
from gate.credentials.rules import may_use, present
from gate.executions.endpoints import expression_in
from gate.infrastructure.endpoints import server_groups
from gate.pipelines.starting import check_parameters, complete_trigger
from gate.tasks.operations import failures, require_success, task_id
from gate.triggers.endpoints import sender_headers
from kork.errors import BadRequest, Unavailable
from kork.identity import Identity

KEPT = {"name": "SHOP", "email": "shop@example.com", "accounts": "old", "cloudProviders": "aws", "description": None}
SEEN = {
    "name": "shop",
    "attributes": {"name": "shop", "email": "other", "description": "seen", "cloudProviders": "kubernetes"},
    "clusterNames": {"staging": ["deployment web"], "production": []},
}


def test_front50_wins_over_clouddriver_except_for_accounts():
    [merged] = merge_lists([KEPT], [SEEN])
    assert merged == {
        "name": "shop",
        "email": "shop@example.com",
        "description": "seen",
        "accounts": "production,staging",
        "cloudProviders": "aws",
    }


def test_an_application_that_only_clouddriver_knows_is_listed_once_for_all_its_providers():
    other = {"name": "Shop", "attributes": {"cloudProviders": "aws"}, "clusterNames": {"aws-prod": ["shop"]}}
    [merged] = merge_lists([], [SEEN, other])
    assert (merged["cloudProviders"], merged["accounts"]) == ("aws,kubernetes", "aws-prod,production,staging")


def test_lists_are_sorted_by_name():
    assert [each["name"] for each in merge_lists([{"name": "B"}, {"name": "A"}], [])] == ["a", "b"]


@pytest.mark.parametrize(
    ("kept", "seen", "known", "expected"),
    [
        (None, None, {"name": "shop", "email": "x"}, None),
        (
            {"name": "SHOP", "email": "e"},
            None,
            None,
            {"name": "shop", "attributes": {"name": "shop", "email": "e"}, "clusters": {}},
        ),
        (
            {"name": "SHOP", "email": "e"},
            None,
            {"name": "shop", "accounts": "a", "owner": "o"},
            {
                "name": "shop",
                "attributes": {"name": "shop", "email": "e", "accounts": "a", "owner": "o"},
                "clusters": {},
            },
        ),
        (
            {"name": "SHOP", "accounts": "old"},
            {"name": "shop", "attributes": {"name": "shop"}, "clusters": {"staging": []}},
            None,
            {"name": "shop", "attributes": {"name": "shop", "accounts": "staging"}, "clusters": {"staging": []}},
        ),
    ],
)
def test_one_application_is_merged(kept: Any, seen: Any, known: Any, expected: Any):
    assert merge_one("Shop", kept, seen, known) == expected


@pytest.mark.parametrize(
    ("account", "owner", "expected"),
    [
        ("", "", True),
        ("staging", "", True),
        ("stag", "", False),
        ("", "SHOP@example.com", True),
        ("staging", "bank@example.com", False),
    ],
)
def test_a_list_can_be_narrowed_to_an_account_and_an_owner(account: str, owner: str, expected: bool):
    application = {"name": "shop", "accounts": "production,staging", "email": "shop@example.com"}
    assert matches(application, account, owner) is expected


DEVELOPER = Identity("ann", roles=("Dev",))


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({}, True),
        ({"permissions": {}}, True),
        ({"permissions": {"READ": [], "WRITE": []}}, True),
        ({"permissions": {"READ": ["dev"], "WRITE": ["ops"]}}, False),
        ({"permissions": {"READ": ["dev"]}}, False),
        ({"permissions": {"WRITE": ["dev"]}}, True),
        ({"permissions": None, "requiredGroupMembership": ["ops"]}, False),
        ({"requiredGroupMembership": ["DEV"]}, True),
    ],
)
def test_an_account_may_be_used_by_those_who_may_write_to_it(account: dict[str, Any], expected: bool):
    assert may_use(account, DEVELOPER) is expected
    assert may_use(account, Identity("root", admin=True)) is True


def test_an_account_is_shown_in_short_unless_all_is_asked_for():
    account = {"name": "k8s", "type": "kubernetes", "namespaces": ["default"], "permissions": {}}
    brief = {"name": "k8s", "type": "kubernetes", "permissions": {}, "authorized": True}
    assert present(account, DEVELOPER, expanded=False) == brief
    assert present(account, DEVELOPER, expanded=True) == account | {"authorized": True}


def test_the_trigger_of_spin_is_unwrapped():
    sent = {"trigger": {"type": "manual", "parameters": {"tag": "1"}, "artifacts": [{"type": "docker/image"}]}}
    assert complete_trigger(sent, "ann") == {
        "type": "manual",
        "user": "ann",
        "parameters": {"tag": "1"},
        "artifacts": [{"type": "docker/image"}],
        "notifications": [],
    }


@pytest.mark.parametrize(
    ("sent", "key", "expected"),
    [
        ({}, "type", "manual"),
        ({"type": "jenkins"}, "type", "jenkins"),
        ({"user": "bob"}, "user", "bob"),
        ({"parameters": None}, "parameters", {}),
        ({"type": "manual", "trigger": {"a": 1}}, "trigger", {"a": 1}),
        ({"buildNumber": 7}, "buildNumber", 7),
    ],
)
def test_a_trigger_keeps_what_was_sent_and_gets_what_is_missing(sent: Any, key: str, expected: Any):
    assert complete_trigger(sent, "ann")[key] == expected


@pytest.mark.parametrize(
    "sent", [{"type": 7}, {"user": []}, {"parameters": "x"}, {"artifacts": {}}, {"notifications": 1}]
)
def test_a_trigger_of_wrong_types_is_a_400_that_names_the_key(sent: dict[str, Any]):
    [key] = sent
    with pytest.raises(BadRequest, match=f"'{key}' must be"):
        complete_trigger(sent, "ann")


@pytest.mark.parametrize(
    ("declared", "given", "missing"),
    [
        ({"name": "tag", "required": True}, {}, True),
        ({"name": "tag", "required": True}, {"tag": None}, True),
        ({"name": "tag", "required": True}, {"tag": ""}, False),
        ({"name": "tag", "required": True, "default": "1"}, {}, False),
        ({"name": "tag", "required": False}, {}, False),
    ],
)
def test_a_required_parameter_without_a_default_has_to_be_given(declared: Any, given: Any, missing: bool):
    config, trigger = {"parameterConfig": [declared]}, {"parameters": given}
    if not missing:
        return check_parameters(config, trigger)
    with pytest.raises(BadRequest, match="Required parameter tag is missing"):
        check_parameters(config, trigger)


def task(status: str, exception: Any = None) -> dict[str, Any]:
    return {"id": "T1", "status": status, "variables": [{"key": "exception", "value": exception}] if exception else []}


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (None, []),
        ({}, []),
        ("text", []),
        ({"details": {"errors": ["a", "b"]}}, ["a", "b"]),
        ({"details": {"errors": [], "error": "c"}}, ["c"]),
    ],
)
def test_a_failed_task_says_why(exception: Any, expected: list[str]):
    assert failures(task("TERMINAL", exception)) == expected


def test_the_failure_of_a_save_is_a_400_with_its_reason_or_its_task():
    require_success(task("SUCCEEDED"), "Pipeline save")
    with pytest.raises(BadRequest, match=r"^stale$"):
        require_success(task("TERMINAL", {"details": {"errors": ["stale"]}}), "Pipeline save")
    with pytest.raises(BadRequest, match=r"Pipeline save operation did not succeed: T1 \(status: RUNNING\)"):
        require_success(task("RUNNING"), "Pipeline save")


def test_the_id_of_a_task_is_the_end_of_its_ref():
    assert task_id({"ref": "/tasks/01ABC"}) == "01ABC"
    with pytest.raises(Unavailable):
        task_id({})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"${ 1 + 1 }", "${ 1 + 1 }"),
        (b'{"expression": "${x}"}', "${x}"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"7", "7"),
    ],
)
def test_an_expression_comes_as_text_or_as_json(content: bytes, expected: str):
    assert expression_in(content) == expected


@pytest.mark.parametrize("content", [b"", b"  ", b"\xff", b'{"expression": ""}'])
def test_a_body_without_an_expression_is_a_400(content: bytes):
    with pytest.raises(BadRequest):
        expression_in(content)


def test_a_webhook_keeps_the_headers_of_its_sender_and_none_of_ours():
    sent = {
        "x-hub-signature": "sha1=1",
        "x-github-delivery": "d",
        "ce-id": "c",
        "idempotency-key": "k",
        "x-gennaker-delivery": "g",
        "x-gennaker-identity": "forged",
        "x-spinnaker-user": "root",
        "x-forwarded-for": "1.2.3.4",
        "authorization": "Basic x",
        "cookie": "a=b",
        "x-odd": "ü",
    }
    kept = {"x-hub-signature", "x-github-delivery", "ce-id", "idempotency-key", "x-gennaker-delivery"}
    assert set(sender_headers(sent.items())) == kept


def test_the_server_groups_of_clusters_are_one_list():
    assert server_groups([{"serverGroups": [1, 2]}, {"serverGroups": None}, {}, {"serverGroups": [3]}]) == [1, 2, 3]  # type: ignore[list-item]
