"""Artifact resolution: what matches, what is taken when nothing does, and what is told then."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kork.errors import BadRequest
from orca.artifacts import artifacts_of, bound_by_id, expected_ids_for, in_scope, read_artifact, resolve_for_start
from orca.artifacts.matching import matches, text_matches
from orca.artifacts.model import read_expected
from orca.testing import pipeline, stage

IMAGE = {"type": "docker/image", "name": "registry/shop", "version": "1.2", "reference": "registry/shop:1.2"}
FILE = {"type": "github/file", "name": "deploy.yml", "reference": "https://git.example.com/deploy.yml"}


def expected(id: str = "e1", **more: Any) -> dict[str, Any]:
    return {"id": id, "matchArtifact": {"type": "docker/image", "name": "registry/shop"}, **more}


def no_prior() -> list[dict[str, Any]]:
    raise AssertionError("prior artifacts are asked for only when they are needed")


def start(expecting: Any, trigger: dict[str, Any], prior: Any = no_prior, **more: Any) -> dict[str, Any]:
    return resolve_for_start({"expectedArtifacts": expecting, **more}, trigger, prior=prior)


@pytest.mark.parametrize(
    ("pattern", "artifact", "result"),
    [
        ({}, IMAGE, True),
        ({"type": "docker/image"}, IMAGE, True),
        ({"type": "docker/image", "name": "registry/.*"}, IMAGE, True),
        ({"name": "shop"}, IMAGE, False),
        ({"name": " "}, IMAGE, True),
        ({"version": r"1\.\d+"}, IMAGE, True),
        ({"version": "1.[0-1]"}, IMAGE, False),
        ({"location": "anywhere"}, IMAGE, False),
        ({"reference": "registry/shop:1.2", "artifactAccount": "other", "uuid": "x"}, IMAGE, True),
        ({"type": "embedded/base64"}, {"type": "remote/base64"}, True),
        ({"type": "remote/base64"}, {"type": "embedded/base64"}, True),
        ({"name": "a(b"}, {"name": "a(b"}, True),
        ({"name": "a(b"}, {"name": "ab"}, False),
        ({"name": "(a+)+b"}, {"name": "a" * 5000}, False),
    ],
)
def test_what_matches(pattern: dict[str, Any], artifact: dict[str, Any], result: bool):
    [wanted] = read_expected([{"id": "x", "matchArtifact": pattern}], "expectedArtifacts")
    assert matches(wanted, artifact) is result


@given(st.text(min_size=1))
def test_every_text_matches_itself(text: str):
    assert text_matches(text, text)


def test_a_required_artifact_is_bound_to_what_was_received():
    trigger = start([expected()], {"type": "manual", "artifacts": [IMAGE, FILE], "expectedArtifactIds": ["e1"]})
    assert trigger["artifacts"] == [IMAGE, FILE]
    [resolved] = trigger["resolvedExpectedArtifacts"]
    assert resolved["boundArtifact"] == IMAGE
    assert trigger["expectedArtifacts"] == trigger["resolvedExpectedArtifacts"]
    assert (trigger["type"], trigger["expectedArtifactIds"]) == ("manual", ["e1"])


def test_what_nobody_asks_for_is_left_out():
    trigger = start([expected()], {"artifacts": [FILE]})
    assert (trigger["artifacts"], trigger["resolvedExpectedArtifacts"]) == ([FILE], [])


def test_an_artifact_received_twice_is_one():
    trigger = start(
        [expected()], {"artifacts": [IMAGE, dict(IMAGE)], "expectedArtifactIds": ["e1"]}, receivedArtifacts=[IMAGE]
    )
    assert trigger["artifacts"] == [IMAGE]


def test_the_order_is_received_then_prior_then_default():
    old, fallback = IMAGE | {"version": "1.1"}, IMAGE | {"version": "0"}
    wanted = [expected(usePriorArtifact=True, useDefaultArtifact=True, defaultArtifact=fallback)]

    def bound(trigger: dict[str, Any], prior: list[dict[str, Any]]) -> str:
        return start(wanted, trigger, lambda: prior)["resolvedExpectedArtifacts"][0]["boundArtifact"]["version"]

    assert bound({"artifacts": [IMAGE]}, [old]) == "1.2"
    assert bound({}, [FILE, old]) == "1.1"
    assert bound({}, [FILE]) == "0"


def test_an_artifact_without_a_match_is_named():
    with pytest.raises(BadRequest) as caught:
        start([expected(displayName="the image")], {"artifacts": [FILE], "expectedArtifactIds": ["e1"]})
    assert caught.value.message.startswith(
        "Unmatched expected artifact 'the image' (type=docker/image, name=registry/shop) could not be resolved."
    )
    assert "deploy.yml" in caught.value.message


def test_a_pattern_that_can_not_be_used_is_told():
    wanted = [{"id": "e1", "matchArtifact": {"name": "(?!x).*"}}]
    with pytest.raises(BadRequest, match="look-ahead"):
        start(wanted, {"artifacts": [IMAGE], "expectedArtifactIds": ["e1"]})


def test_two_matches_are_one_too_many():
    with pytest.raises(BadRequest, match="matches multiple artifacts"):
        start([expected()], {"artifacts": [IMAGE, IMAGE | {"version": "2"}], "expectedArtifactIds": ["e1"]})


@pytest.mark.parametrize(
    ("pipeline_fields", "trigger", "named"),
    [
        ({"expectedArtifacts": {"a": 1}}, {}, "expectedArtifacts"),
        ({"expectedArtifacts": [7]}, {}, "expectedArtifacts[0]"),
        ({"expectedArtifacts": [{"id": "x", "matchArtifact": []}]}, {"expectedArtifactIds": 5}, "expectedArtifactIds"),
        ({"expectedArtifacts": [{"id": "x", "matchArtifact": [1]}]}, {}, "expectedArtifacts[0].matchArtifact"),
        ({"expectedArtifacts": [{"id": "x", "matchArtifact": {"name": {}}}]}, {}, "matchArtifact.name"),
        ({}, {"artifacts": "x"}, "trigger.artifacts"),
        ({}, {"artifacts": [IMAGE, "x"]}, "trigger.artifacts[1]"),
        ({}, {"artifacts": [{"type": "t", "metadata": 3}]}, "trigger.artifacts[0].metadata"),
    ],
)
def test_a_malformed_artifact_is_refused_by_name(pipeline_fields: Any, trigger: Any, named: str):
    with pytest.raises(BadRequest) as caught:
        resolve_for_start(pipeline_fields, trigger, prior=no_prior)
    assert named in caught.value.message


def test_unknown_fields_of_an_artifact_are_kept_as_metadata():
    read = read_artifact({"type": "t", "kind": "k", "name": None, "extra": 1, "metadata": {"a": 2}}, "x")
    assert read == {"type": "t", "metadata": {"a": 2, "extra": 1}}


_FIELDS = st.sampled_from(["a", "b", "a/b"])
_ARTIFACTS = st.lists(st.fixed_dictionaries({"type": _FIELDS, "name": _FIELDS}), max_size=4)


@given(_ARTIFACTS, st.lists(st.fixed_dictionaries({"type": _FIELDS}), max_size=3), _ARTIFACTS)
def test_resolution_binds_a_match_or_refuses(received: Any, patterns: Any, prior: Any):
    wanted = [{"id": str(n), "matchArtifact": each, "usePriorArtifact": True} for n, each in enumerate(patterns)]
    try:
        trigger = start(wanted, {"artifacts": received}, lambda: prior)
    except BadRequest:
        return
    for each, shown in zip(read_expected(wanted, "w"), trigger["resolvedExpectedArtifacts"], strict=True):
        assert matches(each, shown["boundArtifact"])
        assert shown["boundArtifact"] in trigger["artifacts"]
    assert all(artifact in trigger["artifacts"] for artifact in received)


def test_a_stage_sees_its_ancestors_artifacts_nearest_first_and_the_triggers_last():
    first, second, third, apart = stage("1"), stage("2", after=["1"]), stage("3", after=["2"]), stage("4")
    first.outputs["artifacts"], second.outputs["artifacts"] = [FILE], [IMAGE]
    apart.outputs["artifacts"] = [{"type": "other"}]
    execution = pipeline(first, second, third, apart)
    execution.trigger["artifacts"] = [{"type": "t"}, FILE]
    assert in_scope(execution, third) == [IMAGE, FILE, {"type": "t"}]
    assert artifacts_of(execution)[-1] == {"type": "t"}


def test_an_artifact_is_found_by_id_with_the_account_of_its_pattern():
    first, second = stage("1"), stage("2", after=["1"])
    execution = pipeline(first, second)
    bound = {"id": "x", "matchArtifact": {"artifactAccount": "github"}, "boundArtifact": FILE}
    execution.trigger["resolvedExpectedArtifacts"] = [bound, {"id": "y", "boundArtifact": IMAGE}]
    assert bound_by_id(execution, second, "x") == FILE | {"artifactAccount": "github"}
    first.outputs["resolvedExpectedArtifacts"] = [{"id": "y", "boundArtifact": IMAGE | {"version": "9"}}]
    assert (bound_by_id(execution, second, "y") or {})["version"] == "9"
    assert bound_by_id(execution, second, "z") is None


def test_a_child_binds_what_its_trigger_lists_and_what_matches():
    child = {
        "triggers": [
            {"type": "pipeline", "pipeline": "parent", "expectedArtifactIds": ["listed"]},
            {"type": "pipeline", "pipeline": "other", "expectedArtifactIds": ["not"]},
        ],
        "expectedArtifacts": [expected("matching"), {"id": "else", "matchArtifact": {"type": "s3/object"}}],
    }
    assert expected_ids_for(child, [IMAGE], "parent") == ["listed", "matching"]
