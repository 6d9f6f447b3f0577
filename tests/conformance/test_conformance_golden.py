"""What a real Orca answered to the same requests, field by field.

Ids and times differ by nature, stack traces by language. What else may differ is listed, with the reason.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gennaker.platform import Platform
from orca.settings import OrcaSettings
from orca.testing.running import Orca

GOLDEN = Path(__file__).parent / "golden"
USER = {"X-SPINNAKER-USER": "golden@example.com"}

_TIMES = {"buildTime", "startTime", "endTime", "timestamp", "lastModifiedTime"}

CHILD = {
    "id": "child-id",
    "name": "child",
    "application": "golden",
    "stages": [{"refId": "1", "requisiteStageRefIds": [], "type": "wait", "name": "wait 1", "waitTime": 0}],
}


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def golden_orca(platform: Platform, front50_client: httpx2.Client) -> Iterator[Orca]:
    saved = front50_client.post("/pipelines", json=CHILD)
    assert saved.status_code == 200, saved.text
    with httpx2.Client(base_url=platform.url("orca"), headers=USER, timeout=60) as client:
        yield Orca(OrcaSettings(), platform.url("orca"), client)


def normalised(execution: dict[str, Any]) -> Any:
    """Replace ids by what they stand for and times by a mark."""
    names = {stage["id"]: f"<stage {stage['refId']}>" for stage in execution["stages"]} | {
        execution["id"]: "<execution>"
    }

    def walk(value: Any, key: str = "") -> Any:
        if key in _TIMES:
            return "<time>"
        if key == "executionId" and value not in names:
            return "<child>"
        if key == "stackTrace":
            return "<trace>"
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return names.get(value, value) if isinstance(value, str) else value

    return walk(execution)


def differences(expected: Any, found: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(expected, dict) and isinstance(found, dict):
        different: dict[str, tuple[Any, Any]] = {}
        for key in expected.keys() | found.keys():
            below = f"{path}.{key}" if path else str(key)
            different |= differences(expected.get(key, "<absent>"), found.get(key, "<absent>"), below)
        return different
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        different = {}
        for at, (one, other) in enumerate(zip(expected, found, strict=True)):
            different |= differences(one, other, f"{path}[{at}]")
        return different
    return {} if expected == found else {path: (expected, found)}


# case -> {path: why it differs}
ALLOWED: dict[str, dict[str, str]] = {
    "unknown-stage-type": {
        "stages[0].context.exception.details.errors[0]": "it lists the types that this installation knows",
        "stages[0].context.exception.details.stackTrace": "the message says all; a trace of the engine says no more",
    },
    "webhook-success": {
        f"stages[0].{place}.details.{key}": "it says which address, and which rule of the operator forbids it"
        for place in ("context.exception", "tasks[0].taskExceptionDetails.exception")
        for key in ("errors[0]", "stackTrace")
    },
}


def check(name: str, found: dict[str, Any], response: str = "response") -> None:
    expected = golden(f"{name}.{response}")
    expected = expected.get("body", expected)
    different = differences(normalised(expected), normalised(found))
    unexplained = {path: pair for path, pair in different.items() if path not in ALLOWED.get(name, {})}
    assert unexplained == {}


RUN_TO_THE_END = [
    "success-chain",
    "success-fanout-join",
    "evaluate-variables-expressions",
    "nested-pipeline",
    "parameters-defaults",
    "precondition-fail-stop-branch",
    "precondition-fail-terminal",
    "stage-enabled-false-skipped",
    "unknown-stage-type",
    "webhook-success",
]


def start(orca: Orca, name: str) -> str:
    return orca.post("/orchestrate", golden(f"{name}.request"))["ref"].rsplit("/", 1)[-1]


@pytest.mark.parametrize("name", RUN_TO_THE_END)
def test_an_execution_ends_as_orcas_did(golden_orca: Orca, name: str):
    check(name, golden_orca.wait_end(start(golden_orca, name)))


def is_running(execution: dict[str, Any]) -> bool:
    return any(task["status"] == "RUNNING" for stage in execution["stages"] for task in stage["tasks"])


def test_a_cancelled_execution_looks_like_orcas(golden_orca: Orca):
    execution_id = start(golden_orca, "cancelled")
    golden_orca.wait(execution_id, is_running)
    answer = golden_orca.client.put(f"/pipelines/{execution_id}/cancel", params={"reason": "because"})
    assert answer.status_code == 202
    check("cancelled", golden_orca.wait_end(execution_id))


def patch(orca: Orca, execution: dict[str, Any], change: dict[str, Any]) -> Any:
    stage = execution["stages"][0]["id"]
    answer = orca.client.patch(f"/pipelines/{execution['id']}/stages/{stage}", json=change)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_judgment_that_is_awaited_looks_like_orcas(golden_orca: Orca):
    check("manual-judgment-paused", golden_orca.wait(start(golden_orca, "manual-judgment-paused"), is_running))


def test_a_judgment_goes_on_as_orcas_did(golden_orca: Orca):
    name = "manual-judgment-continue"
    execution = golden_orca.wait(start(golden_orca, name), is_running)
    judged = patch(golden_orca, execution, {"judgmentStatus": "continue", "judgmentInput": "ok"})
    check(name, judged, "patch-response")
    check(name, golden_orca.wait_end(execution["id"]))


def test_a_wait_is_cut_short_as_orcas_was(golden_orca: Orca):
    execution = golden_orca.wait(start(golden_orca, "wait-skip-remaining"), is_running)
    patch(golden_orca, execution, {"skipRemainingWait": True})
    check("wait-skip-remaining", golden_orca.wait_end(execution["id"]))


def test_a_stage_without_a_type_is_refused_in_orcas_words(golden_orca: Orca):
    expected = golden("missing-type.submit-error")
    answer = golden_orca.client.post("/orchestrate", json=golden("missing-type.request"))
    assert answer.status_code == expected["status"]
    assert {**answer.json(), "timestamp": 0} == {**expected["body"], "timestamp": 0}
