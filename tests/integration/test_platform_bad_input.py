"""What people get wrong in pipelines ends with a reason: never a 500, never an execution that is stuck."""

import json
from typing import Any

import pytest
from gennaker.exits import GennakerError
from gennaker.gate import Gate
from gennaker.watching.follow import follow_execution

Json = dict[str, Any]


def stage(ref: str, type: str, after: list[str] | None = None, **context: Any) -> Json:
    return {"refId": ref, "requisiteStageRefIds": after or [], "type": type, "name": f"{type} {ref}", **context}


def run(gate: Gate, application: str, stages: list[Json]) -> Json:
    ref = gate.post("pipelines", "start", body={"application": application, "name": "odd", "stages": stages})["ref"]
    return follow_execution(gate, ref.rsplit("/", 1)[-1], lambda *_: None, timeout=60, fresh=True)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([stage("1", "noSuchStage")], "noSuchStage"),
        ([stage("1", "wait", waitTime="${ no.such.thing( }", failOnFailedExpressions=True)], "no.such.thing("),
        (
            [
                stage(
                    "1",
                    "deployManifest",
                    account="nowhere",
                    cloudProvider="kubernetes",
                    source="text",
                    moniker={"app": "odd"},
                    manifests=[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}],
                )
            ],
            "there is no account 'nowhere'",
        ),
    ],
    ids=["unknown stage type", "wrong expression", "unknown account"],
)
def test_a_stage_that_can_t_work_fails_and_says_why(
    gate: Gate, application: str, stages: list[Json], words: str
) -> None:
    ended = run(gate, application, stages)

    assert ended["status"] == "TERMINAL"
    assert words in json.dumps(ended["stages"][0], ensure_ascii=False)


@pytest.mark.parametrize(
    "stages",
    [
        [stage("1", "wait", ["2"]), stage("2", "wait", ["1"])],
        [stage("1", "wait", ["9"])],
        "no list",
    ],
    ids=["cycle", "unknown requisite", "stages are no list"],
)
def test_a_graph_that_can_t_run_is_refused(gate: Gate, application: str, stages: Any) -> None:
    with pytest.raises(GennakerError, match=r"Gate refused it \(400\)"):
        run(gate, application, stages)


def test_stages_without_ref_ids_run_to_their_end(gate: Gate, application: str) -> None:
    nameless = {"type": "wait", "name": "no refId", "waitTime": 0}

    assert run(gate, application, [nameless, nameless])["status"] == "SUCCEEDED"


def test_a_body_of_two_megabytes_is_refused(gate: Gate, application: str) -> None:
    with pytest.raises(GennakerError, match=r"Gate refused it \(413\)"):
        gate.post("webhooks", "webhook", application, body={"padding": "x" * 2_000_000})


def test_a_payload_that_is_no_object_is_refused(gate: Gate, application: str) -> None:
    with pytest.raises(GennakerError, match=r"Gate refused it \(400\)"):
        gate.post("webhooks", "webhook", application, body=["no", "object"])
