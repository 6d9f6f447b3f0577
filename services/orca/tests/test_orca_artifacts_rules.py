"""Artifacts rule by rule (Spinnaker's Orca): at the start over HTTP, in stages, and handed on to children."""

from collections.abc import Callable
from typing import Any

import pytest
from kork.ids import new_ulid
from orca.artifacts import artifacts_of, bound_by_id, in_scope, prospects
from orca.execution.model import StageExecution
from orca.settings import OrcaSettings
from orca.stages.bind_artifacts import bind_produced_artifacts
from orca.stages.definition import StageContext, StageView, TaskResult
from orca.testing import pipeline, stage
from orca.testing.running import Orca, running_orca

JsonMap = dict[str, Any]


def image(version: str, **more: Any) -> JsonMap:
    return {"type": "docker/image", "name": "shop", "version": version, "reference": f"shop:{version}"} | more


def wants(id: str = "image", **more: Any) -> JsonMap:
    return {"id": id, "matchArtifact": {"type": "docker/image", "name": "shop"}} | more


def default(version: str, **more: Any) -> JsonMap:
    return wants(useDefaultArtifact=True, defaultArtifact=image(version), **more)


PRIOR = wants(usePriorArtifact=True)


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings]) -> Any:
    with running_orca(new_orca_settings()) as running:
        yield running


def start(orca: Orca, *expected: JsonMap, **more: Any) -> JsonMap:
    """Start a pipeline of a short wait; gives its ended execution."""
    stages = more.pop("stages", [{"type": "wait", "refId": "1", "name": "w", "waitTime": 0}])
    return orca.wait_end(orca.start(*stages, expectedArtifacts=list(expected), **more))


def bound(execution: JsonMap) -> list[Any]:
    return [each.get("boundArtifact") for each in execution["trigger"]["resolvedExpectedArtifacts"]]


def manual(*artifacts: JsonMap, ids: tuple[str, ...] = (), **more: Any) -> JsonMap:
    return {"type": "manual", "artifacts": list(artifacts), "expectedArtifactIds": list(ids)} | more


@pytest.mark.parametrize(
    ("expected", "received", "ids", "versions"),
    [
        ([default("d")], [image("1")], (), ["1"]),
        ([default("d")], [], (), ["d"]),
        ([wants()], [image("1")], ("image",), ["1"]),
        ([wants()], [image("1")], (), []),
        ([wants(), default("d", id="two")], [image("1")], ("image",), ["1", "1"]),
        ([default("d", usePriorArtifact=True)], [], (), ["d"]),
    ],
)
def test_the_trigger_tells_what_was_bound(
    orca: Orca, expected: list[JsonMap], received: list[JsonMap], ids: tuple[str, ...], versions: list[str]
):
    ended = start(orca, *expected, trigger=manual(*received, ids=ids))
    assert ended["status"] == "SUCCEEDED"
    assert [each["version"] for each in bound(ended)] == versions
    trigger = ended["trigger"]
    assert trigger["expectedArtifacts"] == trigger["resolvedExpectedArtifacts"]
    everything = received + [each for each in bound(ended) if each not in received]
    assert [each["version"] for each in trigger["artifacts"]] == list(
        dict.fromkeys(each["version"] for each in everything)
    )


@pytest.mark.parametrize(
    ("expected", "received", "told"),
    [
        ([wants()], [image("1"), image("2")], "matches multiple artifacts"),
        ([wants()], [{"type": "git/repo"}], "Unmatched expected artifact 'image'"),
        ([wants(usePriorArtifact=True)], [], "Unmatched expected artifact 'image'"),
    ],
)
def test_what_can_not_be_bound_fails_the_start_and_leaves_a_failed_execution(
    orca: Orca, expected: list[JsonMap], received: list[JsonMap], told: str
):
    config_id = new_ulid()
    body = {
        "application": "shop",
        "name": "p",
        "id": config_id,
        "stages": [{"type": "wait", "refId": "1"}],
        "expectedArtifacts": expected,
        "trigger": manual(*received, ids=("image",)),
    }
    assert told in orca.post("/orchestrate", body, status=400)["message"]
    [stored] = orca.get("/pipelines", pipelineConfigIds=config_id)
    assert (stored["status"], stored["canceled"], stored["canceledBy"]) == ("TERMINAL", True, "system")
    assert stored["cancellationReason"].startswith("Failed on startup: ")
    assert told in stored["cancellationReason"]


def test_a_prior_artifact_is_the_latest_execution_s_whatever_its_status(orca: Orca):
    config_id = new_ulid()
    for version in ("1", "2"):
        start(orca, id=config_id, trigger=manual(image(version)))
    assert bound(start(orca, PRIOR, id=config_id, trigger=manual()))[0]["version"] == "2"
    failing = [{"type": "checkPreconditions", "refId": "1", "name": "c", "preconditions": [FAILS]}]
    assert start(orca, id=config_id, stages=failing, trigger=manual(image("3")))["status"] == "TERMINAL"
    assert bound(start(orca, PRIOR, id=config_id, trigger=manual()))[0]["version"] == "3"
    received = start(orca, PRIOR, id=config_id, trigger=manual(image("4")))
    assert bound(received)[0]["version"] == "4"


FAILS = {"type": "expression", "context": {"expression": "false"}}


def test_a_prior_artifact_of_a_stage_comes_before_the_trigger_s(orca: Orca):
    config_id = new_ulid()
    made = [
        {"type": "evaluateArtifacts", "refId": "1", "name": "e", "artifactContents": [{"name": "n", "contents": "x"}]}
    ]
    start(orca, id=config_id, stages=made, trigger=manual(image("1")))
    text = {"id": "text", "matchArtifact": {"type": "embedded/base64"}, "usePriorArtifact": True}
    ended = start(orca, text, PRIOR, id=config_id, trigger=manual())
    assert [each["type"] for each in bound(ended)] == ["embedded/base64", "docker/image"]


def test_a_repeated_start_gets_the_artifacts_of_its_parent(orca: Orca):
    parent = start(orca, trigger=manual(image("7")))
    child = start(orca, wants(), trigger=manual(ids=("image",), parentPipelineId=parent["id"]))
    assert bound(child)[0]["version"] == "7"
    assert child["trigger"]["parentExecution"]["id"] == parent["id"]


def test_a_default_s_expressions_are_evaluated_for_the_stage_that_uses_it():
    first, second = stage("1"), stage("2", after=["1"], branch="main")
    execution = pipeline(first, second)
    execution.trigger |= {"parameters": {"tag": "v7"}}
    reference = "https://git.example.com/${parameters.tag}/${branch}/${nowhere.at.all}"
    found = {"id": "x", "boundArtifact": {"type": "git/file", "reference": reference}}
    execution.trigger["resolvedExpectedArtifacts"] = [found]
    artifact = bound_by_id(execution, second, "x")
    assert artifact is not None
    assert artifact["reference"] == reference
    found["boundArtifact"] = {"type": "git/file", "reference": "https://git.example.com/${parameters.tag}/${branch}"}
    artifact = bound_by_id(execution, second, "x")
    assert artifact is not None
    assert artifact["reference"] == "https://git.example.com/v7/main"


def test_the_account_is_filled_from_the_pattern_only_where_it_is_missing():
    execution = pipeline(stage("1"))
    pattern = {"id": "x", "matchArtifact": {"artifactAccount": "pattern"}}
    for own, account in ((None, "pattern"), ("", "pattern"), ("own", "own")):
        artifact = image("1") | ({} if own is None else {"artifactAccount": own})
        execution.trigger["resolvedExpectedArtifacts"] = [pattern | {"boundArtifact": artifact}]
        assert (bound_by_id(execution, execution.stages[0], "x") or {})["artifactAccount"] == account


def bind(stage: StageExecution, *others: StageExecution, **trigger: Any) -> TaskResult:
    execution = pipeline(*others, stage)
    execution.trigger |= trigger
    assert bind_produced_artifacts.pure is not None
    return bind_produced_artifacts.pure(StageView(execution, stage, StageContext), 0)


@pytest.mark.parametrize(
    ("own", "nearer", "farther", "trigger", "version"),
    [
        (["0"], ["1"], ["2"], ["3"], "0"),
        ([], ["1"], ["2"], ["3"], "1"),
        ([], [], ["2"], ["3"], "2"),
        ([], [], [], ["3"], "3"),
        ([], [], [], [], "default"),
        ([], ["1", "1b"], [], [], "1"),
    ],
)
def test_what_a_stage_produced_is_bound_to_the_nearest(
    own: list[str], nearer: list[str], farther: list[str], trigger: list[str], version: str
):
    first, second, last = stage("1"), stage("2", after=["1"]), stage("3", after=["2"])
    second.outputs["artifacts"] = [image(each) for each in nearer]
    first.outputs["artifacts"] = [image(each) for each in farther]
    if own:
        last.context["artifacts"] = [image(each) for each in own]
    last.context["expectedArtifacts"] = [default("default")]
    result = bind(last, first, second, artifacts=[image(each) for each in trigger])
    assert [each["version"] for each in result.outputs["artifacts"]] == [version]
    assert result.outputs["resolvedExpectedArtifacts"][0]["boundArtifact"]["version"] == version
    assert result.context == result.outputs


def test_what_was_prior_is_not_asked_for_in_a_stage():
    last = stage("1", expectedArtifacts=[PRIOR])
    with pytest.raises(Exception, match="Unmatched expected artifact 'image'"):
        bind(last)


def test_without_expected_artifacts_nothing_is_bound():
    result = bind(stage("1"))
    assert (result.status.value, result.context, result.outputs) == ("SUCCEEDED", {}, {})


def test_artifacts_are_each_listed_once_and_read_from_whatever_was_written():
    first, second = stage("1"), stage("2", after=["1"])
    first.outputs["artifacts"] = [
        image("1"),
        image("1"),
        {"type": "s3/object", "bucket": "b", "kind": "x", "name": None},
    ]
    execution = pipeline(first, second)
    execution.trigger["artifacts"] = [image("1")]
    assert in_scope(execution, second) == [image("1"), {"type": "s3/object", "metadata": {"bucket": "b"}}]
    assert artifacts_of(execution) == in_scope(execution, second)


@pytest.mark.parametrize(
    ("expected", "received", "ids", "source"),
    [
        (wants(), [image("1")], ["image"], "received"),
        (wants(), [image("1"), image("2")], ["image"], "none"),
        (wants(), [], ["image"], "none"),
        (wants(), [], [], "not asked for"),
        (PRIOR, [], [], "prior"),
        (default("d", usePriorArtifact=True), [], [], "prior"),
        (default("d"), [], [], "default"),
        (wants(useDefaultArtifact=True), [], [], "none"),
    ],
)
def test_a_prospect_says_where_an_artifact_would_come_from(
    expected: JsonMap, received: list[JsonMap], ids: list[str], source: str
):
    trigger = {"artifacts": received, "expectedArtifactIds": ids}
    [found] = prospects({"expectedArtifacts": [expected]}, trigger, prior=lambda: [image("p")])
    assert found.source == source
    assert (found.message is not None) is (source == "none")
