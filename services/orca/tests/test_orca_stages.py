"""The control stages and expressions, run through the engine's core, against what a real Orca answered."""

from typing import Any

import pytest
from orca.execution.advance import advance
from orca.execution.model import Execution
from orca.expressions import PipelineExpressions
from orca.stages.catalogue import StageCatalogue
from orca.testing import pipeline, stage

CATALOGUE = StageCatalogue.load()
NOW = 1_795_487_438_000


def run(execution: Execution, now: int = NOW) -> Execution:
    advance(execution, now, CATALOGUE, PipelineExpressions())
    return execution


def status_of(execution: Execution, ref: str) -> str:
    found = execution.stage_by_ref(ref)
    assert found is not None
    return found.status.value


def variables(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def test_variables_are_published_and_read_by_later_stages():
    first = stage(
        "1", "evaluateVariables", variables=variables(count="${ parameters.n * 2 }", user="${ trigger.user }")
    )
    text = "total ${count} by ${user} ${ #stage('evaluateVariables 1').status } ${ undefinedVar }"
    second = stage("2", "wait", ["1"], waitTime=0, comments=text, nested={"a": ["${count}", "n=${count}"]})
    execution = pipeline(first, second, spel_evaluator="v4")
    execution.trigger |= {"user": "golden", "parameters": {"n": 21}}
    run(execution)
    assert first.outputs == {"count": 42, "user": "golden"}
    assert second.context["comments"] == "total 42 by golden SUCCEEDED ${undefinedVar}"
    assert second.context["nested"] == {"a": [42, "n=42"]}
    [(expression, [problem])] = second.context["expressionEvaluationSummary"].items()
    assert expression == "total 42 by golden SUCCEEDED undefinedVar"
    assert problem["description"] == f"Failed to evaluate [comments] : {expression} not found"
    assert (execution.status.value, status_of(execution, "2")) == ("SUCCEEDED", "SUCCEEDED")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${ {'a','b'} }", ["a", "b"]),
        ("${ #toInt('42') }", 42),
        ("${ #readJson('{\"a\":[1,2]}') }", {"a": [1, 2]}),
        ("${ #readYaml('a: [1, 2]') }", {"a": [1, 2]}),
        ("${ #alphanumerical('a-b_c1') }", "abc1"),
        ("${ #currentStage().name }", "evaluateVariables 1"),
        ("${ #toBase64('hi') }", "aGk="),
        ("${ #fromBase64('aGk=') }", "hi"),
        ("${ #toJson({'k': 1}) }", '{"k":1}'),
        ("${ execution.application }", "app"),
        ("${ execution.stages.![name] }", ["evaluateVariables 1"]),
        ("${ execution['stages'][0].refId }", "1"),
        ("${ #stageExists('nowhere') }", False),
        ("${ #stage('nowhere') }", "${ #stage('nowhere') }"),
        ("${ execution.__class__ }", "${ execution.__class__ }"),
    ],
)
def test_what_expressions_see(value: str, expected: Any):
    execution = pipeline(stage("1", "evaluateVariables", variables=variables(x=value)), spel_evaluator="v4")
    run(execution)
    assert execution.stages[0].outputs == {"x": expected}


def test_a_wait_ends_when_its_time_is_over():
    execution = pipeline(stage("1", "wait", waitTime=10))
    out = advance(execution, NOW, CATALOGUE, PipelineExpressions())
    assert (status_of(execution, "1"), out.wake_at) == ("RUNNING", NOW + 10_000)
    run(execution, NOW + 9_999)
    assert status_of(execution, "1") == "RUNNING"
    run(execution, NOW + 10_000)
    assert execution.status.value == "SUCCEEDED"


@pytest.mark.parametrize(("judgment", "status"), [("continue", "SUCCEEDED"), ("STOP", "TERMINAL"), ("", "RUNNING")])
def test_a_judgment_decides(judgment: str, status: str):
    execution = pipeline(stage("1", "manualJudgment", judgmentStatus=judgment), stage("2", "wait", ["1"]))
    run(execution)
    assert (execution.status.value, status_of(execution, "1")) == (status, status)
    assert execution.stages[0].context["notifications"] == []


@pytest.mark.parametrize(
    ("expression", "status", "result"),
    [
        ("${ 1 == 2 }", "TERMINAL", "false"),
        ("${ 1 == 1 }", "SUCCEEDED", "true"),
        ("parameters.go == 'yes'", "SUCCEEDED", "true"),
        ("parameters.", "TERMINAL", "Expression [parameters.] @11: EL1044E: Unexpectedly ran out of input"),
    ],
)
def test_a_precondition_is_checked_by_a_child(expression: str, status: str, result: str):
    precondition = {"type": "expression", "context": {"expression": expression}, "failPipeline": True}
    execution = pipeline(stage("1", "checkPreconditions", preconditions=[precondition]), stage("2", "wait", ["1"]))
    execution.trigger["parameters"] = {"go": "yes"}
    run(execution)
    child = execution.stage_by_ref("1<1")
    assert child is not None
    assert (child.name, child.status.value) == ("Check precondition (expression)", status)
    assert child.context["context"]["expressionResult"] == result
    assert child.context["preconditionType"] == "expression"
    assert (execution.status.value, status_of(execution, "1")) == (status, status)


def test_a_precondition_may_stop_its_branch_only():
    precondition = {"type": "expression", "context": {"expression": False}, "failPipeline": False}
    checked = stage("1", "checkPreconditions", preconditions=[precondition], failPipeline=False, continuePipeline=False)
    execution = run(pipeline(checked, stage("2", "wait", ["1"]), stage("3", "wait")))
    found = {ref: status_of(execution, ref) for ref in ("1<1", "1", "2", "3")}
    assert found == {"1<1": "STOPPED", "1": "STOPPED", "2": "NOT_STARTED", "3": "SUCCEEDED"}
    assert execution.status.value == "SUCCEEDED"


@pytest.mark.parametrize(("wanted", "status"), [("SUCCEEDED", "SUCCEEDED"), ("TERMINAL", "TERMINAL")])
def test_a_precondition_on_a_stages_status(wanted: str, status: str):
    precondition = {"type": "stageStatus", "context": {"stageName": "wait 1", "stageStatus": wanted}}
    execution = run(pipeline(stage("1", "wait"), stage("2", "checkPreconditions", ["1"], preconditions=[precondition])))
    assert execution.status.value == status


def test_an_unknown_precondition_is_named():
    execution = run(pipeline(stage("1", "checkPreconditions", preconditions=[{"type": "moonPhase"}])))
    assert execution.status.value == "TERMINAL"
    child = execution.stage_by_ref("1<1")
    assert child is not None
    assert "no precondition of type 'moonPhase'" in str(child.context["exception"])


def test_an_unknown_stage_type_fails_its_stage():
    execution = run(pipeline(stage("1", "doesNotExist")))
    assert execution.status.value == "TERMINAL"
    exception = execution.stages[0].context["exception"]
    assert exception["exceptionType"] == "NoSuchStageDefinitionBuilderException"
    assert "doesNotExist" in exception["details"]["errors"][0]


def test_a_noop_is_skipped_and_counts_as_success():
    execution = run(pipeline(stage("1", "noop"), stage("2", "wait", ["1"])))
    assert (status_of(execution, "1"), execution.status.value) == ("SKIPPED", "SUCCEEDED")


@pytest.mark.parametrize(("expression", "status"), [("false", "SKIPPED"), ("true", "SUCCEEDED"), ("1 +", "SKIPPED")])
def test_a_stage_runs_when_its_condition_is_true(expression: str, status: str):
    enabled = {"type": "expression", "expression": expression}
    execution = run(pipeline(stage("1", "wait", stageEnabled=enabled)))
    assert status_of(execution, "1") == status
