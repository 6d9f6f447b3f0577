"""What people get wrong: a 4xx or a stage error that names the field; the engine goes on."""

from collections.abc import Callable
from typing import Any

import pytest
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.definition import Stage
from orca.stages.installed import catalogue_for
from orca.testing import Driver, pipeline, stage
from orca.testing.running import Orca
from pydantic import ValidationError

Wait = Callable[..., dict[str, Any]]
CATALOGUE: StageCatalogue = catalogue_for(OrcaSettings())
WRONG: list[Any] = [{"wrong": 1}, [1], "wrong", 5]


def typed_fields() -> list[Any]:
    """Every field of every stage type, with a value of a type that it doesn't take."""
    found: list[Any] = []
    for name, definition in sorted(CATALOGUE.types.items()):
        if name.startswith("preconfigured") or name == "restrictExecutionDuringTimeWindow":
            continue  # Those know no field before an operator has prepared one, and read one of their own.
        for field, info in definition.model.model_fields.items():
            key = info.alias or field
            for value in WRONG:
                if refuses(definition, key, value):
                    found.append(pytest.param(name, key, value, id=f"{name}-{key}"))
                    break
    return found


def refuses(definition: Stage[Any], key: str, value: Any) -> bool:
    try:
        definition.model.model_validate({key: value})
    except ValidationError as error:
        return any(fault["loc"][:1] == (key,) for fault in error.errors())
    return False


@pytest.mark.parametrize(("type", "key", "value"), typed_fields())
def test_a_wrong_type_in_a_stages_field_fails_the_stage_and_names_the_field(type: str, key: str, value: Any):
    execution = pipeline(stage("1", type, **{key: value}), stage("2", "wait", waitTime=1))
    Driver(CATALOGUE).run(execution)
    found = execution.stage_by_ref("1")
    assert found is not None
    assert found.status.value == "TERMINAL"
    assert any(key in str(each.context.get("exception")) for each in execution.stages)


A_STAGE: dict[str, Any] = {"refId": "1", "requisiteStageRefIds": [], "type": "wait", "name": "first", "waitTime": 0}


def with_stage(**wrong: Any) -> dict[str, Any]:
    return {"stages": [A_STAGE | wrong]}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"application": 5}, "application"),
    ({"name": ["x"]}, "name"),
    ({"id": {}}, "id"),
    ({"executionId": "a b"}, "executionId"),
    ({"rootId": 7}, "rootId"),
    ({"origin": []}, "origin"),
    ({"limitConcurrent": []}, "limitConcurrent"),
    ({"keepWaitingPipelines": {}}, "keepWaitingPipelines"),
    ({"disabled": [True]}, "disabled"),
    ({"maxConcurrentExecutions": "many"}, "maxConcurrentExecutions"),
    ({"startTimeExpiry": "soon"}, "startTimeExpiry"),
    ({"spelEvaluator": 4}, "spelEvaluator"),
    ({"initialConfig": []}, "initialConfig"),
    ({"source": "x"}, "source"),
    ({"templateVariables": []}, "templateVariables"),
    ({"notifications": "all"}, "notifications"),
    ({"notifications": ["all"]}, "notifications[0]"),
    ({"parameterConfig": {}}, "parameterConfig"),
    ({"parameterConfig": [1]}, "parameterConfig[0]"),
    ({"parameterConfig": [{"name": 1}]}, "parameterConfig[0].name"),
    ({"expectedArtifacts": "a"}, "expectedArtifacts"),
    ({"expectedArtifacts": ["a"]}, "expectedArtifacts"),
    ({"trigger": {"type": 5}}, "trigger.type"),
    ({"trigger": {"user": {"a": 1}}}, "trigger.user"),
    ({"trigger": {"correlationId": 5}}, "trigger.correlationId"),
    ({"trigger": {"parameters": []}}, "trigger.parameters"),
    ({"trigger": {"artifacts": {}}}, "trigger.artifacts"),
    ({"trigger": {"notifications": 1}}, "trigger.notifications"),
    ({"trigger": {"dryRun": {}}}, "trigger.dryRun"),
    ({"trigger": {"rebake": []}}, "trigger.rebake"),
    ({"trigger": {"parentPipelineId": 5}}, "trigger.parentPipelineId"),
    ({"stages": {}}, "stages"),
    ({"stages": [5]}, "stages[0]"),
    (with_stage(type=None), "type"),
    (with_stage(type=5), "type"),
    (with_stage(name=[]), "name"),
    (with_stage(alias=1), "alias"),
    (with_stage(refId={}), "refId"),
    (with_stage(requisiteStageRefIds="1"), "requisiteStageRefIds"),
    (with_stage(requisiteStageRefIds=[{}]), "requisiteStageRefIds[0]"),
    (with_stage(requisiteStageRefIds=["9"]), "requisiteStageRefIds"),
    (with_stage(requisiteStageRefIds=["1"]), "cycle"),
    (with_stage(startTimeExpiry="soon"), "startTimeExpiry"),
    (with_stage(stageEnabled=[]), "stageEnabled"),
    (with_stage(restrictedExecutionWindow=[]), "restrictedExecutionWindow"),
    (with_stage(restrictExecutionDuringTimeWindow={}), "restrictExecutionDuringTimeWindow"),
    (with_stage(failPipeline={}), "failPipeline"),
    (with_stage(continuePipeline=[]), "continuePipeline"),
    (with_stage(completeOtherBranchesThenFail=[]), "completeOtherBranchesThenFail"),
    (with_stage(failOnFailedExpressions={}), "failOnFailedExpressions"),
    (with_stage(stageTimeoutMs="an hour"), "stageTimeoutMs"),
    (with_stage(stageTimeoutMs=True), "stageTimeoutMs"),
    (with_stage(stageTimeoutMs=-1), "stageTimeoutMs"),
    (with_stage(backoffPeriodMs={}), "backoffPeriodMs"),
    ({"stages": [A_STAGE, A_STAGE | {"name": "second"}]}, "refId '1'"),
    ({"stages": [A_STAGE, A_STAGE | {"refId": None}]}, "refId"),
]


@pytest.mark.parametrize(("wrong", "named"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_wrong_pipeline_is_refused_with_the_name_of_the_field(orca: Orca, wrong: dict[str, Any], named: str):
    answer = orca.client.post("/orchestrate", json={"application": "shop", "name": "p", "stages": [A_STAGE]} | wrong)
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["message"]


def test_a_trigger_that_is_none_and_fields_that_nobody_knows_are_no_error(orca: Orca):
    id = orca.start(A_STAGE | {"nobodyKnows": [{"a": None}]}, trigger="by hand", nobodyKnows={"x": 1})
    ended = orca.wait_end(id)
    assert (ended["status"], ended["trigger"]["type"]) == ("SUCCEEDED", "manual")
    assert ended["stages"][0]["context"]["nobodyKnows"] == [{"a": None}]


def test_a_context_of_five_megabytes_is_carried_evaluated_and_shown(orca: Orca, wait: Wait):
    big = {f"key{n}": "x" * 1000 for n in range(5000)}
    id = orca.start(
        wait("1", comments="${ 1 + 1 }", big=big), wait("2", after=["1"], size="${ execution.stages[0].name }")
    )
    ended = orca.wait_end(id)
    assert ended["status"] == "SUCCEEDED"
    assert ended["stages"][0]["context"]["big"] == big
    assert str(ended["stages"][0]["context"]["comments"]) == "2"


def test_wrong_stages_do_not_stop_the_others(orca: Orca, wait: Wait):
    wrong = [
        {"type": "noSuchStage"},
        {"type": "wait", "waitTime": {"a": 1}},
        {"type": "checkPreconditions", "preconditions": [{"type": 5}]},
        {"type": "checkPreconditions", "preconditions": [{"type": "clusterSize", "context": {"expected": "x"}}]},
        {"type": "waitUntil", "epochMillis": "tomorrow"},
        {"type": "dependsOnExecution", "executionType": "FILM", "executionId": "x"},
        {"type": "evaluateArtifacts", "artifactContents": [{"name": 5, "contents": "x"}]},
        {"type": "manualJudgment", "judgmentStatus": 7},
        {"type": "wait", "restrictExecutionDuringTimeWindow": True, "restrictedExecutionWindow": {"days": [9]}},
        {"type": "evaluateVariables", "variables": "x"},
    ]
    ends = {"failPipeline": False, "continuePipeline": False}
    stages = [
        each | ends | {"refId": str(n), "requisiteStageRefIds": [], "name": f"s{n}"} for n, each in enumerate(wrong)
    ]
    id = orca.start(*stages, wait("last"))
    ended = orca.wait_end(id)
    assert ended["status"] == "SUCCEEDED"
    found = {each["refId"]: each["status"] for each in ended["stages"] if "parentStageId" not in each}
    assert found == {str(n): "STOPPED" for n in range(len(wrong))} | {"last": "SUCCEEDED"}
