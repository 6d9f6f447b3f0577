"""Which triggers match an event, and what the start is told. No I/O."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from echo.artifacts.extraction import TemplateFault, artifacts_of, render
from echo.artifacts.matching import matches_artifact, unmet_expectation
from echo.events.event import Event, Receipt, delivery_id, ended_event, webhook_event
from echo.pipelines.store import Candidate
from echo.settings import EchoSettings, QuietPeriodSettings
from echo.starts.body import manual_start, triggered_start, with_parent
from echo.starts.starter import judge
from echo.triggers import quiet_period
from echo.triggers.catalogue import TriggerCatalogue
from echo.triggers.constraints import unmet_constraint
from echo.triggers.definition import Facts
from echo.triggers.git import signature_fault
from echo.triggers.matching import Outcome, outcome_of
from echo.triggers.pipeline import end_of
from hypothesis import given
from hypothesis import strategies as st
from kork.errors import BadRequest, UpstreamError
from kork.identity import Identity

SETTINGS = EchoSettings.model_validate({"embedded": True})
AT = 1_800_000_000_000


def webhook(payload: Any, source: str = "ci", type: str = "webhook", **headers: str) -> Event:
    return webhook_event(type, source, json.dumps(payload).encode(), headers)


def pipeline(*triggers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "p1", "application": "shop", "name": "deploy", "triggers": list(triggers), **more}


def hook(**more: Any) -> dict[str, Any]:
    return {"type": "webhook", "enabled": True, "source": "ci", **more}


def outcome(event: Event, body: dict[str, Any], settings: EchoSettings = SETTINGS) -> Outcome:
    [type] = TriggerCatalogue.load().looking_at(event)
    candidates = [Candidate(body["id"], body, n) for n in range(len(body["triggers"]))]
    return outcome_of(Receipt("e1", event, AT), type, candidates, settings)


@pytest.mark.parametrize(
    ("constraints", "payload", "met"),
    [
        ({}, {}, True),
        ({"branch": "main"}, {"branch": "main"}, True),
        ({"branch": "ma"}, {"branch": "the main one"}, True),
        ({"branch": "^ma$"}, {"branch": "main"}, False),
        ({"branch": "main"}, {}, False),
        ({"branch": None}, {"branch": 1}, True),
        ({"branch": None}, {"branch": None}, False),
        ({"count": "^4"}, {"count": 42}, True),
        ({"ok": "true"}, {"ok": True}, True),
        ({"a.b": "x"}, {"a": {"b": "x"}}, True),
        ({"$.a.b": "x"}, {"a": {"b": "x"}}, True),
        ({"$.items[*].name": "two"}, {"items": [{"name": "one"}, {"name": "two"}]}, True),
        ({"names": "two"}, {"names": ["one", "two"]}, True),
        ({"$.items[*].name": "three"}, {"items": [{"name": "one"}]}, False),
        ({"$..[": "x"}, {"a": 1}, False),
        ({"a": "("}, {"a": "("}, False),
        ({"a": "(a+)+$"}, {"a": "a" * 5000 + "b"}, False),
        ({"a.b": "x"}, {"a.b": "x"}, True),
        ({"obj": "inner"}, {"obj": {"inner": 1}}, True),
    ],
)
def test_constraints(constraints: dict[str, Any], payload: dict[str, Any], met: bool):
    assert (unmet_constraint(constraints, payload) is None) is met


def test_an_unmet_constraint_says_which_and_why():
    assert unmet_constraint({"branch": "main"}, {}) == "the payload has nothing at 'branch'"
    assert unmet_constraint({"key": "s3cret"}, {"key": "x"}) == "the payload's 'key' does not match its constraint"
    assert "not a regular expression" in str(unmet_constraint({"branch": "("}, {"branch": "dev"}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(constraints=st.dictionaries(st.text(), json_values, max_size=3), payload=json_values)
def test_no_constraint_and_no_payload_raise(constraints: dict[str, Any], payload: Any):
    assert isinstance(unmet_constraint(constraints, payload if isinstance(payload, dict) else {}), str | None)


@given(
    payload=st.dictionaries(st.text(), json_values, max_size=4),
    source=st.sampled_from(["github", "gitlab", "stash", "bitbucket", "x"]),
)
def test_no_git_payload_raises(payload: dict[str, Any], source: str):
    raw = json.dumps(payload).encode()
    try:
        event = webhook_event("git", source, raw, {"x-event-key": "repo:push"})
    except BadRequest:
        return
    trigger = {"type": "git", "enabled": True, "source": source, "project": "a", "slug": "b"}
    assert isinstance(outcome(event, pipeline(trigger)), Outcome)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (pipeline(hook(), disabled=True), "the pipeline is disabled"),
        (pipeline(hook(enabled=False)), "the trigger is disabled"),
        (pipeline(hook(enabled="yes")), "the trigger is disabled"),
        (pipeline(hook(source=" ")), "lacks 'source'"),
        (pipeline(hook(source="CI")), "the trigger is for 'CI', the event is from 'ci'"),
        (pipeline(hook(payloadConstraints={"x": "y"})), "the payload has nothing at 'x'"),
        (pipeline(hook(expectedArtifactIds=["a1"])), "none of the artifacts"),
    ],
)
def test_why_a_trigger_does_not_match(body: dict[str, Any], reason: str):
    result = outcome(webhook({}), body)
    assert not result.starts
    assert reason in result.unmatched[0].reason


def test_a_start_is_told_of_the_payload_its_parameters_and_artifacts():
    image = {"type": "docker/image", "name": "shop", "reference": "shop:7"}
    payload = {"parameters": {"tag": "7"}, "artifacts": [image, "not one"], "more": {"x": 1}}
    trigger = hook(enabled="true", parameters={"tag": "0", "zone": "a"}, secret="s")
    [start] = outcome(
        webhook(payload), pipeline(trigger, {"type": "git", "secret": "t"}, stages=[{"type": "wait"}])
    ).starts
    told = start.body["trigger"]
    assert told["parameters"] == {"tag": "7", "zone": "a"}
    assert (told["payload"], told["eventId"], told["type"], told["user"]) == (payload, "e1", "webhook", "[anonymous]")
    assert start.body["receivedArtifacts"] == [image]
    assert (start.body["executionId"], start.body["stages"]) == (start.execution_id, [{"type": "wait"}])
    assert start.run_as == Identity()
    assert "secret" not in json.dumps(start.body)


def test_a_trigger_runs_as_its_run_as_user():
    [start] = outcome(webhook({}), pipeline(hook(runAsUser=" robot "))).starts
    assert (start.run_as.user, start.body["trigger"]["user"]) == ("robot", "robot")


def test_every_matching_trigger_starts_one_and_equal_ones_are_one():
    body = pipeline(hook(), hook(), hook(description="other"))
    result = outcome(webhook({}), body)
    assert len({start.execution_id for start in result.starts}) == 2
    assert [start.execution_id for start in outcome(webhook({}), body).starts] == [
        start.execution_id for start in result.starts
    ]


def test_expressions_in_expected_artifacts_see_the_pipeline_and_its_trigger():
    expected = [{"id": "a1", "matchArtifact": {"name": "${trigger['parameters']['name']}", "version": "${nothing.at}"}}]
    [start] = outcome(webhook({"parameters": {"name": "x"}}), pipeline(hook(), expectedArtifacts=expected)).starts
    match = start.body["expectedArtifacts"][0]["matchArtifact"]
    assert match == {"name": "x", "version": "${nothing.at}"}


@pytest.mark.parametrize(
    ("expected", "actual", "match"),
    [
        ({}, {}, True),
        ({"type": "docker/image"}, {"type": "docker/image", "name": "x"}, True),
        ({"type": "docker/image"}, {"name": "x"}, False),
        ({"name": "gcr.io/.*"}, {"name": "gcr.io/a/b"}, True),
        ({"name": "gcr"}, {"name": "gcr.io"}, False),
        ({"name": "a(b"}, {"name": "a(b"}, True),
        ({"type": "embedded/base64"}, {"type": "remote/base64"}, True),
        ({"name": "embedded/base64"}, {"name": "remote/base64"}, False),
        ({"artifactAccount": "x"}, {"artifactAccount": "y"}, True),
    ],
)
def test_artifacts_match(expected: dict[str, Any], actual: dict[str, Any], match: bool):
    assert matches_artifact(expected, actual) is match


def test_one_of_the_expected_artifacts_is_enough():
    body = {
        "expectedArtifacts": [{"id": "a", "matchArtifact": {"name": "a"}}, {"id": "b", "matchArtifact": {"name": "b"}}]
    }
    trigger = {"expectedArtifactIds": ["a", "b"]}
    assert unmet_expectation(body, trigger, [{"name": "b"}]) is None
    assert unmet_expectation(body, {"expectedArtifactIds": ["a"]}, [{"name": "b"}]) is not None
    assert unmet_expectation(body, {}, []) is None


GITHUB_PUSH = {
    "ref": "refs/heads/main",
    "after": "abc",
    "repository": {
        "name": "shop",
        "owner": {"name": "Acme", "login": "acme-login"},
        "contents_url": "https://api.github.com/repos/acme/shop/contents/{+path}",
    },
    "commits": [{"added": ["a.yml"], "modified": ["b.yml", "a.yml"], "removed": ["c.yml"]}],
}


@pytest.mark.parametrize(
    ("source", "payload", "headers", "facts"),
    [
        ("github", GITHUB_PUSH, {}, ("abc", "main", "Acme", "shop", "push:push")),
        (
            "github",
            {
                "action": "opened",
                "repository": {"name": "shop", "owner": {"login": "acme"}},
                "pull_request": {"number": 7, "head": {"sha": "abc", "ref": "feature"}},
            },
            {},
            ("abc", "feature", "acme", "shop", "pull_request:opened"),
        ),
        (
            "github",
            {"ref": "new", "ref_type": "branch", "repository": {"name": "shop", "owner": {"login": "acme"}}},
            {"x-github-event": "create"},
            ("", "new", "acme", "shop", "branch:create"),
        ),
        (
            "gitlab",
            {
                "after": "abc",
                "ref": "refs/heads/main",
                "object_kind": "push",
                "project": {"namespace": "Acme", "name": "Shop"},
            },
            {},
            ("abc", "main", "Acme", "Shop", "push"),
        ),
        (
            "stash",
            {
                "refChanges": [{"toHash": "abc", "refId": "refs/heads/main"}],
                "repository": {"slug": "shop", "project": {"key": "ACME"}},
            },
            {},
            ("abc", "main", "ACME", "shop", ""),
        ),
        (
            "bitbucket",
            {
                "push": {"changes": [{"new": {"name": "main"}, "commits": [{"hash": "abc"}]}]},
                "repository": {"full_name": "acme/shop"},
            },
            {"x-event-key": "repo:push"},
            ("abc", "main", "acme", "shop", "repo:push"),
        ),
        (
            "bitbucket",
            {
                "pullRequest": {
                    "properties": {"mergeCommit": {"id": "abc"}},
                    "toRef": {"id": "refs/heads/main", "repository": {"slug": "shop", "project": {"key": "ACME"}}},
                }
            },
            {"x-event-key": "pr:merged"},
            ("abc", "main", "ACME", "shop", "pr:merged"),
        ),
    ],
)
def test_git_hosts_say_the_same_five_things(
    source: str, payload: dict[str, Any], headers: dict[str, str], facts: tuple[str, ...]
):
    content = webhook(payload, source, "git", **headers).content
    assert tuple(content[key] for key in ("hash", "branch", "repoProject", "slug", "action")) == facts


@pytest.mark.parametrize(
    ("source", "payload", "headers"),
    [
        ("github", {"hook_id": 1, "zen": "Design for failure."}, {}),
        ("stash", {"refChanges": [{"toHash": "0" * 40, "refId": "refs/heads/main"}]}, {}),
        ("bitbucket", {"test": True}, {"x-event-key": "diagnostics:ping"}),
    ],
)
def test_pings_start_nothing(source: str, payload: dict[str, Any], headers: dict[str, str]):
    assert webhook(payload, source, "git", **headers).suppressed


def git(**more: Any) -> dict[str, Any]:
    return {"type": "git", "enabled": True, "source": "github", "project": "acme", "slug": "SHOP", **more}


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (git(), None),
        (git(branch="ma.*"), None),
        (git(branch="ma"), "the branch is 'main', not 'ma'"),
        (git(branch="("), "not a regular expression"),
        (git(events=["push:push"]), None),
        (git(events=["pull_request:opened"]), "the action is 'push:push'"),
        (git(secret="s"), "not signed"),
        (git(project="other"), "the trigger is for 'github/other/shop'"),
        (git(slug=None), "lacks 'slug'"),
    ],
)
def test_git_triggers(trigger: dict[str, Any], reason: str | None):
    result = outcome(webhook(GITHUB_PUSH, "github", "git"), pipeline(trigger))
    assert (reason in result.unmatched[0].reason) if reason else result.starts


def test_a_git_start_is_told_of_the_commit_and_its_files():
    [start] = outcome(webhook(GITHUB_PUSH, "github", "git"), pipeline(git())).starts
    assert {key: start.trigger[key] for key in ("hash", "branch", "action")} == {
        "hash": "abc",
        "branch": "main",
        "action": "push:push",
    }
    assert [artifact["reference"] for artifact in start.body["receivedArtifacts"]] == [
        "https://api.github.com/repos/acme/shop/contents/a.yml",
        "https://api.github.com/repos/acme/shop/contents/b.yml",
    ]


RAW = b'{"a": 1}'


def signed(algorithm: str, secret: str = "s") -> str:
    return f"{algorithm}={hmac.new(secret.encode(), RAW, getattr(hashlib, algorithm)).hexdigest()}"


@pytest.mark.parametrize(
    ("secret", "headers", "believed"),
    [
        ("", {}, True),
        ("", {"x-hub-signature": signed("sha1")}, False),
        ("s", {}, False),
        ("s", {"x-hub-signature": signed("sha1")}, True),
        ("s", {"x-hub-signature-256": signed("sha256")}, True),
        ("s", {"x-hub-signature": signed("sha256")}, True),
        ("s", {"x-hub-signature-256": signed("sha256", "t"), "x-hub-signature": signed("sha1")}, False),
        ("s", {"x-hub-signature": signed("sha1", "t")}, False),
        ("s", {"x-hub-signature": "md5=abc"}, False),
        ("s", {"x-hub-signature": "sha1=é"}, False),
        ("s", {"x-gitlab-token": "s"}, True),
        ("s", {"x-gitlab-token": "t"}, False),
    ],
)
def test_signatures(secret: str, headers: dict[str, str], believed: bool):
    assert (signature_fault(secret, RAW, headers) is None) is believed


@pytest.mark.parametrize(
    ("source", "payload", "images"),
    [
        (
            "dockerhub",
            {"repository": {"repo_name": "acme/shop"}, "push_data": {"tag": "7"}},
            ["index.docker.io/acme/shop:7"],
        ),
        (
            "quay",
            {"docker_url": "quay.io/acme/shop", "updated_tags": ["7", "8"]},
            ["quay.io/acme/shop:7", "quay.io/acme/shop:8"],
        ),
        (
            "dockerregistry",
            {
                "events": [
                    {
                        "action": "push",
                        "target": {
                            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                            "repository": "acme/shop",
                            "digest": "sha256:1",
                        },
                        "request": {"host": "reg"},
                    },
                    {"action": "pull", "target": {"repository": "acme/shop", "tag": "7"}},
                ]
            },
            ["reg/acme/shop@sha256:1"],
        ),
        ("other", {"artifacts": [{"reference": "own"}]}, ["own"]),
        ("quay", {"docker_url": 3, "updated_tags": "7"}, []),
    ],
)
def test_artifacts_in_payloads(source: str, payload: dict[str, Any], images: list[str]):
    found = artifacts_of(webhook(payload, source), SETTINGS.webhooks)
    assert [artifact["reference"] for artifact in found] == images


def test_a_template_makes_artifacts_and_can_do_nothing_else(tmp_path: Path):
    template = tmp_path / "ci.jinja"
    template.write_text('[{% for i in images %}{"type": "docker/image", "reference": "{{ i }}"}{% endfor %}]')
    settings = EchoSettings.model_validate(
        {"webhooks": {"artifacts": {"sources": [{"source": "ci", "templatePath": str(template)}]}}}
    )
    assert artifacts_of(webhook({"images": ["x:1"]}), settings.webhooks) == (
        {"type": "docker/image", "reference": "x:1"},
    )
    assert artifacts_of(webhook({"images": 3}), settings.webhooks) == ()
    for faulty in ("{{", "no list", '{"a": 1}', "{{ ''.__class__.__mro__[1].__subclasses__() }}"):
        template.write_text(faulty + " " * len(faulty))
        with pytest.raises(TemplateFault, match=r"ci\.jinja"):
            render(template, {})


@pytest.mark.parametrize(
    ("headers", "payload", "known"),
    [
        ({}, {}, False),
        ({"x-github-delivery": "d1"}, {}, True),
        ({"x-gennaker-delivery": "d1"}, {}, True),
        ({"idempotency-key": "d1"}, {}, True),
        ({"x-gitlab-event-uuid": "d1"}, {}, False),
        ({"x-request-id": "d1"}, {}, False),
        ({}, {"eventId": "d1"}, True),
        ({}, {"deliveryId": 7}, True),
        ({}, {"eventId": {"a": 1}}, False),
    ],
)
def test_what_tells_a_repeated_delivery(headers: dict[str, str], payload: dict[str, Any], known: bool):
    assert (delivery_id("ci", payload, headers) is not None) is known


def test_an_id_in_the_payload_counts_with_the_rest_of_the_payload():
    first = delivery_id("ci", {"eventId": "build done", "n": 1}, {})
    assert first == delivery_id("ci", {"n": 1, "eventId": "build done"}, {})
    assert first != delivery_id("ci", {"eventId": "build done", "n": 2}, {})


@pytest.mark.parametrize("status", ["SUCCEEDED", "CANCELED", "TERMINAL", "STOPPED"])
def test_a_pipeline_trigger_looks_at_how_the_other_one_ended(status: str):
    trigger = {"type": "pipeline", "enabled": True, "pipeline": "OTHER", "status": ["successful", "canceled"]}
    ended = {"executionId": "x1", "pipelineConfigId": "other", "status": status, "authentication": {"user": "bob"}}
    event = ended_event(ended)
    result = outcome(event, pipeline(trigger, trigger | {"description": "again"}))
    assert len(result.starts) == (1 if end_of(status) in trigger["status"] else 0)
    for start in result.starts:
        assert (start.run_as.user, start.trigger["parentPipelineId"]) == ("bob", "x1")


def test_a_dependent_gets_its_parents_artifacts_and_what_it_expects_of_them():
    image = {"type": "docker/image", "name": "shop"}
    file = {"type": "github/file", "name": "a"}
    parent = {
        "id": "x1",
        "stages": [{"outputs": {"artifacts": [image]}}, {"outputs": {"artifacts": [file, image]}}, {"outputs": {}}],
        "trigger": {"artifacts": [image, {"name": "third"}]},
    }
    expected = [{"id": "a1", "matchArtifact": {"name": "shop"}}, {"id": "a2", "matchArtifact": {"name": "none"}}]
    body = with_parent(
        {"expectedArtifacts": expected, "trigger": {"type": "pipeline", "expectedArtifactIds": ["a0"]}}, parent
    )
    assert body["receivedArtifacts"] == [file, image, {"name": "third"}]
    assert body["trigger"]["expectedArtifactIds"] == ["a0", "a1"]
    assert body["trigger"]["parentExecution"] == parent


def test_a_manual_start_is_the_persons_with_the_notifications_of_both():
    body = pipeline(notifications=[{"type": "a"}], expectedArtifacts=[{"id": "a1", "matchArtifact": {"name": "x"}}])
    trigger = {"notifications": [{"type": "b"}], "artifacts": [{"name": "x"}], "executionId": "left out", "extra": 1}
    start = manual_start(body, trigger, Identity("alice", ("prod",)), execution_id="X", event_id="e", at=AT)
    assert start.run_as == Identity("alice", ("prod",))
    assert [each["type"] for each in start.body["notifications"]] == ["a", "b"]
    told = start.body["trigger"]
    assert (told["type"], told["user"], told["extra"], told["expectedArtifactIds"]) == ("manual", "alice", 1, ["a1"])
    assert "executionId" not in told


def test_the_quiet_period_holds_for_pipelines_that_respect_it_and_types_that_are_listed():
    rules = QuietPeriodSettings.model_validate(
        {
            "enabled": True,
            "startIso": "2027-01-01T00:00:00Z",
            "endIso": "2027-01-02T00:00:00Z",
            "suppressedTriggerTypes": ["cron"],
        }
    )
    start = quiet_period.describe(rules, 0)["startTime"]
    quiet = {"respectQuietPeriod": True}
    assert quiet_period.is_suppressed(quiet, {"type": "cron"}, rules, start)
    assert not quiet_period.is_suppressed(quiet, {"type": "webhook"}, rules, start)
    assert not quiet_period.is_suppressed({}, {"type": "cron"}, rules, start)
    assert not quiet_period.is_suppressed(quiet, {"type": "cron"}, rules, start - 1)
    assert quiet_period.describe(QuietPeriodSettings(), start) == {
        "startTime": 0,
        "endTime": 0,
        "enabled": False,
        "inQuietPeriod": False,
    }


@pytest.mark.parametrize(
    ("status", "network", "failures", "kind"),
    [
        (None, False, 0, "started"),
        (503, True, 99, "later"),
        (502, False, 99, "later"),
        (401, False, 99, "later"),
        (429, False, 99, "later"),
        (500, False, 0, "later"),
        (500, False, 5, "refused"),
        (400, False, 0, "refused"),
        (403, False, 0, "refused"),
    ],
)
def test_what_follows_from_orcas_answer(status: int | None, network: bool, failures: int, kind: str):
    error = None
    if status is not None:
        error = UpstreamError("no", status=status, method="POST", url="/orchestrate", network=network)
    assert judge(error, failures, SETTINGS.starts).kind == kind


def test_a_start_without_facts_keeps_the_trigger_as_it_is():
    trigger = {"type": "cron", "id": "c1", "cronExpression": "0 0 10 ? * MON", "parameters": {"a": 1}}
    start = triggered_start(pipeline(trigger), trigger, Facts({}), execution_id="X", event_id=None, at=AT)
    assert start.trigger == trigger | {"user": "[anonymous]"}


@pytest.mark.parametrize(
    "raw", [b"", b"  ", b"{", b"[]", b'"x"', b"null", b'{"a": NaN}', b'{"a": "\\u0000"}', b"[" * 9000]
)
def test_what_is_no_object_is_refused(raw: bytes):
    with pytest.raises(BadRequest):
        webhook_event("webhook", "ci", raw, {})


def test_bitbucket_may_send_nothing():
    assert webhook_event("webhook", "bitbucket", b"", {"x-event-key": "x"}).content == {"event_type": "x"}
