"""What expressions of stages see and may call, and how what fails is told."""

from pathlib import Path
from typing import Any

import pytest
from orca.execution.model import Execution, StageExecution
from orca.execution.status import Status
from orca.expressions import PipelineExpressions, StageExpressions
from orca.expressions.functions import functions_for, told_as
from orca.testing import pipeline, stage
from spel import LimitError, SpelError

ARTIFACT = {"type": "docker/image", "name": "shop", "version": "7", "reference": "shop:7"}
EXPECTED = {"id": "a", "matchArtifact": {"type": "docker/image"}, "boundArtifact": ARTIFACT}
MANIFEST = {
    "kind": "Deployment",
    "spec": {"template": {"metadata": {"labels": {"app": "shop", "app.kubernetes.io/name": "shop-web"}}}},
}
DEPLOYED = {
    "region": "eu",
    "account": "prod",
    "capacity": {"min": 1},
    "parentStage": "p",
    "deploy.server.groups": {"eu": ["shop-v001"]},
    "deploymentDetails": [{"region": "eu", "imageId": "i"}, {"region": "us", "imageId": "u"}],
    "kato.tasks": [{"resultObjects": [{"deployments": [{"serverGroupName": "shop-v001"}]}]}],
}
KEYED = {"kato.tasks": [{"resultObjects": [{"serviceKey": {"username": "u"}}]}]}


def ended(made: StageExecution, status: Status = Status.SUCCEEDED, **fields: Any) -> StageExecution:
    made.status = status
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def ran() -> tuple[Execution, StageExecution]:
    """A pipeline of which all but the last stage have run."""
    bake = ended(stage("1", "bake"), outputs={"artifacts": [ARTIFACT], "ami": "ami-1"}, start_time=5)
    judge = ended(stage("2", "manualJudgment", ["1"], judgmentInput="blue", judgmentStatus="continue"))
    deploy = ended(stage("3", "deployManifest", ["1"], **{"outputs.manifests": [MANIFEST]}))
    group = ended(stage("4", "createServerGroup", ["2"], **DEPLOYED))
    key = ended(stage("5", "createServiceKey", ["2"], **KEYED))
    broken = ended(stage("6", "wait", ["3"]), Status.TERMINAL)
    last = stage("7", "wait", ["4", "5", "6"], own="mine", buildInfo={"scm": [{"branch": "master"}, {"branch": "fix"}]})
    execution = pipeline(bake, judge, deploy, group, key, broken, last, spel_evaluator="v4")
    execution.authentication = {"user": "ada"}
    execution.template_variables = {"size": 3}
    execution.trigger |= {
        "user": "ada",
        "parameters": {"n": 21},
        "payload": {"branch": "b"},
        "resolvedExpectedArtifacts": [EXPECTED],
    }
    return execution, last


def value_of(expression: str) -> Any:
    expressions = StageExpressions(*ran())
    found = expressions.render(f"${{{expression}}}")
    assert not expressions.problems, expressions.problems[0].message
    return found


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("own", "mine"),
        ("ami", "ami-1"),
        ("#root.own", "mine"),
        ("parameters.n + 1", 22),
        ("trigger.payload.branch", "b"),
        ("trigger.nothing ?: 'absent'", "absent"),
        ("templateVariables.size", 3),
        ("scmInfo.branch", "fix"),
        ("execution.application + '/' + execution.name", "app/p"),
        ("execution.trigger.parameters.n", 21),
        ("execution.trigger.other['payload']['branch']", "b"),
        ("execution.trigger.dryRun", False),
        ("execution.stages.?[status == 'TERMINAL'].![refId]", ["6"]),
        ("execution['stages'].size()", 7),
        ("execution.getStages()[0].getOutputs()['ami']", "ami-1"),
        ("execution.context['ami']", "ami-1"),
        ("execution.authentication.user", "ada"),
        ("execution.status", "NOT_STARTED"),
        ("#stage('bake 1').status", "SUCCEEDED"),
        ("#stage('bake 1').status.successful", True),
        ("#stage('bake 1').hasSucceeded and #stage('wait 6').hasFailed", True),
        ("#stage('bake 1').startTime", 5),
        ("#stage('bake 1')['outputs']['ami']", "ami-1"),
        ("#stage( #root.execution, 'bake 1').refId", "1"),
        ("#stageByRefId('2').type", "manualJudgment"),
        ("#stageByRefId('2').context.judgmentInput", "blue"),
        ("#stageExists('bake 1')", True),
        ("#stageExists('nowhere')", False),
        ("#currentStage().requisiteStageRefIds", ["4", "5", "6"]),
        ("#currentStage().isJoin", True),
        ("#currentStage().parent", None),
        ("#currentStage().topLevelStage.refId", "7"),
        ("#currentStage().execution.name", "p"),
        ("#currentStage().ancestors.![refId].contains('1')", True),
        ("#currentUser()", "ada"),
        ("#judgment('manualJudgment 2')", "blue"),
        ("#judgement('manualJudgment 2')", "blue"),
        ("#triggerResolvedArtifact('shop').reference", "shop:7"),
        ("#triggerResolvedArtifactByType('docker/image').version", "7"),
        ("#resolvedArtifacts().![name]", ["shop"]),
        ("#manifestLabelValue('deployManifest 3', 'Deployment', 'app')", "shop"),
        ("#manifestLabelValue('deployManifest 3', 'Deployment', 'app.kubernetes.io/name')", "shop-web"),
        ("#cfServiceKey('createServiceKey 5').username", "u"),
        ("#cfServiceKey('nowhere')", {}),
        ("#deployedServerGroups()[0].serverGroup", "shop-v001"),
        ("#deployedServerGroups('createServerGroup 4')[0].imageId", "i"),
        ("#deployedServerGroups('nowhere')", []),
        ("deployedServerGroups[0].deployments[0].serverGroupName", "shop-v001"),
        ("deployedServerGroups.![account]", ["prod"]),
    ],
)
def test_what_a_stage_sees(expression: str, value: Any):
    if value is None:
        made, last = ran()
        assert StageExpressions(made, last).value(expression) is None
    else:
        assert value_of(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("#toInt('42') + 1", 43),
        ("#toFloat('1.1') + 0", 1.1),
        ("#toBoolean('TRUE')", True),
        ("#toBoolean('yes')", False),
        ("#toBase64('hi')", "aGk="),
        ("#fromBase64('aGk=')", "hi"),
        ("#fromBase64('aGk')", "hi"),
        ("#alphanumerical('a-b_c1')", "abc1"),
        ("#toJson({k: {1, 2.5, null, true}})", '{"k":[1,2.5,null,true]}'),
        ("#toJson(new int[]{1, 2})", "[1,2]"),
        ('#readJson(\'{"a": [1, {"b": null}]}\').a[0]', 1),
        ("#readJson('[1]')", [1]),
        ("#readYaml('a: [1, yes]').a", [1, True]),
        ("#readAllYaml('a: 1\n---\nb: 2').![#this.toString()]", ["{a=1}", "{b=2}"]),
        ("#readYaml('')", None),
    ],
)
def test_functions_on_texts(expression: str, value: Any):
    made, last = ran()
    assert StageExpressions(made, last).value(expression) == value


@pytest.mark.parametrize(
    ("expression", "kind", "said"),
    [
        ("#stage('gone')", "SpelHelperFunctionException", "Unable to locate [gone] using #stage(gone) in execution"),
        ("#stageByRefId('9')", "SpelHelperFunctionException", "Unable to locate [9] using #stageByRefId(9)"),
        ("#judgment('bake 1')", "SpelHelperFunctionException", "Unable to locate manual Judgment stage [bake 1]"),
        ("#triggerResolvedArtifact('x')", "SpelHelperFunctionException", "Unable to locate resolved artifact x"),
        ("#manifestLabelValue('deployManifest 3', 'Pod', 'a')", "SpelHelperFunctionException", "Only Deployments"),
        ("#manifestLabelValue('deployManifest 3', 'Deployment', 'b')", "SpelHelperFunctionException", "No label"),
        ("#manifestLabelValue('x', 'Deployment', 'b')", "SpelHelperFunctionException", "A valid Deploy Manifest stage"),
        ("#toInt('4x')", "java.lang.NumberFormatException", 'For input string: "4x" - EL1023E'),
        ("#toInt(null)", "java.lang.NumberFormatException", "Cannot parse null string"),
        ("#toFloat('x')", "java.lang.NumberFormatException", 'For input string: "x"'),
        ("#toBase64(null)", "java.lang.NullPointerException", "not null"),
        ("#fromBase64('%')", "java.lang.IllegalArgumentException", "Illegal base64"),
        ("#readJson('1')", "SpelHelperFunctionException", "neither an object nor a list"),
        ("#readJson('{')", "SpelHelperFunctionException", "#readJson({) failed"),
        ("#readYaml('a: [')", "SpelHelperFunctionException", "#readYaml(a: [) failed"),
        ("#readYaml('a: 1\n---\nb: 2')", "SpelHelperFunctionException", "more than one document"),
        ("#toJson('${a}')", "SpelHelperFunctionException", "result for toJson cannot contain an expression"),
        ("#stage()", "SpelEvaluationException", "EL1014E"),
        ("#nothing()", "SpelEvaluationException", "EL1006E: Function 'nothing' could not be found"),
        ("execution.nothing", "SpelEvaluationException", "EL1008E: Property or field 'nothing' cannot be found"),
        ("execution.trigger.payload", "SpelEvaluationException", "DefaultTrigger"),
        ("execution.__class__", "SpelEvaluationException", "EL1008E"),
        ("#stage('bake 1').status.name.foo", "SpelEvaluationException", "EL1008E"),
        ("#fromUrl('http://example.com')", "java.lang.IllegalArgumentException", "which can't be done here"),
    ],
)
def test_what_fails_says_why_as_orca_does(expression: str, kind: str, said: str):
    made, last = ran()
    with pytest.raises(SpelError) as caught:
        StageExpressions(made, last).value(expression)
    assert said in caught.value.message
    assert caught.value.kind.endswith(kind)


def test_a_value_that_is_kept_from_evaluation():
    made, last = ran()
    last.context["file"] = {"owner": "managed-by-${team}"}
    context = PipelineExpressions().context(made, StageExecution("x", "8", "wait", "x", {"json": "${1}"}), ())
    assert context == {"json": 1}
    assert StageExpressions(made, last).value("#toJson(#doNotEval(file))") == '{"owner":"managed-by-${team}"}'


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\nb: [" + "*a," * 60 + "]",
        "&a [" * 60 + "]" * 60,
    ],
)
def test_yaml_that_would_explode_is_refused(text: str):
    made, last = ran()
    last.context["text"] = text
    with pytest.raises(SpelError, match="readYaml"):
        StageExpressions(made, last).value("#readYaml(text)")


def test_yaml_that_merges_a_map_into_itself_stays_small():
    made, last = ran()
    lines = [f"x{n + 1}: &x{n + 1} {{<<: [*x{n}, *x{n}, *x{n}]}}" for n in range(16)]
    last.context["text"] = "\n".join(["x0: &x0 {a: 1}", *lines])
    assert StageExpressions(made, last).value("#readYaml(text).x16") == {"a": 1}


def test_yaml_is_bounded_in_length():
    made, last = ran()
    last.context["text"] = "a" * 1_000_001
    with pytest.raises(LimitError):
        StageExpressions(made, last).value("#readYaml(text)")


@pytest.mark.parametrize("expression", ["execution.name", "trigger.user", "#stage('a')", "#currentStage().name"])
def test_a_task_has_no_execution_to_look_at(expression: str):
    own = stage("1", "wait", text=f"${{{expression}}}", number="${ 1 + 1 }")
    task = Execution("ORCHESTRATION", "x", "app", [own])
    context = PipelineExpressions().context(task, own, ())
    assert (context["text"], context["number"]) == (f"${{{expression}}}", 2)
    assert context["expressionEvaluationSummary"]


def test_template_variables_are_seen_in_v4_only():
    made, last = ran()
    made.spel_evaluator = "v3"
    assert StageExpressions(made, last).value("templateVariables") is None


@pytest.mark.parametrize(
    ("trigger", "name"),
    [
        ({"account": "a", "repository": "r", "tag": "t"}, "tag"),
        ({"master": "m", "job": "j", "buildNumber": 1, "buildInfo": {}}, "buildInfo"),
        ({"parentExecution": {"id": "p"}}, "parentExecution"),
        ({"source": "github", "project": "p", "branch": "b", "slug": "s"}, "hash"),
        ({"type": "concourse", "buildInfo": {}}, "properties"),
        ({"pluginId": "p"}, "version"),
        ({"artifactorySearchName": "x"}, "artifactorySearchName"),
    ],
)
def test_a_trigger_shows_what_its_kind_has(trigger: dict[str, Any], name: str):
    made, last = ran()
    made.trigger |= trigger
    assert StageExpressions(made, last).value(f"execution.trigger.{name}") == trigger.get(name)


# --- summaries


def evaluated(**context: Any) -> dict[str, Any]:
    made, last = ran()
    last.context = context
    return PipelineExpressions().context(made, last, ())


def told(context: dict[str, Any]) -> dict[str, list[tuple[str, str, str | None]]]:
    summary = context["expressionEvaluationSummary"]
    return {
        key: [(entry["level"], entry["description"], entry.get("exceptionType")) for entry in entries]
        for key, entries in summary.items()
    }


def test_an_absent_value_is_told_under_its_key():
    assert told(evaluated(comments="${ gone }")) == {
        "gone": [("INFO", "Failed to evaluate [comments] : gone not found", None)]
    }


def test_a_text_in_a_list_is_told_as_it_is():
    assert told(evaluated(items=["${ gone }"])) == {
        "gone": [("INFO", "Failed to evaluate ${ gone } : gone not found", None)]
    }


def test_a_text_in_a_map_within_the_map_is_told_under_the_inner_key():
    assert told(evaluated(outer={"inner": "a ${ gone }"})) == {
        "a gone": [("INFO", "Failed to evaluate [inner] : a gone not found", None)]
    }


def test_the_same_text_under_two_keys_is_told_under_both():
    [(level, description, _), again] = told(evaluated(b="${ gone }", a="${ gone }"))["gone"]
    assert (level, description) == ("INFO", "Failed to evaluate [a, b] : gone not found")
    assert again[1] == description


def test_a_failure_is_told_with_its_cause_and_its_class():
    context = evaluated(comments="${ #stage('gone').status }", other="${own.x}")
    summary = told(context)
    [(level, description, kind)] = summary["#stage( #root.execution, 'gone').status"]
    assert level == "ERROR"
    assert description.startswith("Failed to evaluate [comments] Unable to locate [gone] using #stage(gone) in")
    assert description.endswith(
        " - EL1023E: A problem occurred whilst attempting to invoke the function 'stage': 'null'"
    )
    assert kind == "com.netflix.spinnaker.kork.expressions.SpelHelperFunctionException"
    [(_, description, kind)] = summary["own.x"]
    assert description == "Failed to evaluate [other] EL1007E: Property or field 'x' cannot be found on null"
    assert kind == "org.springframework.expression.spel.SpelEvaluationException"


def test_what_cannot_be_parsed_is_told_without_dollars():
    summary = told(evaluated(a="${ 1 + }", b="x ${ open", c="${}"))
    assert summary["1 +"][0][1].startswith("Failed to evaluate [a] Expression [1 +] @3: EL1042E")
    assert summary["x { open"][0][2] == "org.springframework.expression.ParseException"
    assert "No ending suffix '}' for expression starting at character 2: { open" in summary["x { open"][0][1]
    assert "No expression defined within delimiter '{}' at character 0" in summary[""][0][1]


def test_a_map_has_no_text():
    context = evaluated(a="is ${ {k: 1} }")
    assert context["a"] == "is ${ {k: 1} }"
    [(_, description, kind)] = told(context)["is {k: 1}"]
    assert "EL1001E: Type conversion problem, cannot convert from java.util.LinkedHashMap<?, ?>" in description
    assert kind == "org.springframework.core.convert.ConverterNotFoundException"


def test_keys_are_evaluated_too():
    assert evaluated(**{"${ 'a' + 'b' }": 1}) == {"ab": 1}


def test_a_pass_without_failures_clears_what_it_tried():
    before = {"gone": [{"level": "INFO"}], "kept": [{"level": "ERROR"}]}
    after = evaluated(gone=7, text="${gone}", expressionEvaluationSummary=before)
    assert after == {"gone": 7, "text": 7, "expressionEvaluationSummary": {"kept": [{"level": "ERROR"}]}}


def test_raw_keys_stay_as_written():
    made, last = ran()
    last.context = {"a": "${1}", "b": "${2}"}
    assert PipelineExpressions().context(made, last, ("a",)) == {"a": "${1}", "b": 2}


def test_an_untouched_context_is_the_same_one():
    made, last = ran()
    assert PipelineExpressions().context(made, last, ()) is last.context


def variables(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in pairs]


def test_v4_evaluates_variables_one_by_one_and_nothing_else():
    made, _ = ran()
    own = stage("8", "evaluateVariables", ["7"], comments="${ 1 }")
    own.context["variables"] = variables(("a", "${ 20 }"), ("b", "${ a + 1 }"), ("c", "${ gone }"), ("d", ["${ a }"]))
    context = PipelineExpressions().context(made, own, ())
    assert [each["value"] for each in context["variables"]] == [20, 21, "${ gone }", ["${ a }"]]
    assert context["comments"] == "${ 1 }"
    assert told(context) == {"gone": [("INFO", "Failed to evaluate [var] : gone not found", None)]}


def test_v3_evaluates_variables_at_once():
    made, _ = ran()
    made.spel_evaluator = "v3"
    own = stage("8", "evaluateVariables", ["7"], comments="${ 1 }")
    own.context["variables"] = variables(("a", "${ 20 }"), ("b", "${ a ?: 'none' }"), ("d", ["${ 1 }"]))
    context = PipelineExpressions().context(made, own, ())
    assert [each["value"] for each in context["variables"]] == [20, "none", [1]]
    assert context["comments"] == 1


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("${ #stage('a').x }", "${ #stage( #root.execution, 'a').x }"),
        ("${ #currentStage().x }", "${ #currentStage( #root.execution).x }"),
        ("${ deployedServerGroups[0] }", "${ #deployedServerGroups( #root.execution)[0] }"),
        ("${ #toInt('1') }", "${ #toInt('1') }"),
        ("${ #stageExists('a') and #stage('a').x }",
         "${ #stageExists( #root.execution, 'a') and #stage( #root.execution, 'a').x }"),
    ],
)  # fmt: skip
def test_calls_are_told_with_the_execution_that_orca_passes(text: str, rewritten: str):
    assert told_as(text) == rewritten


def test_a_context_of_five_megabytes_is_evaluated_in_bounded_time():
    made, last = ran()
    last.context = {f"k{n}": {"text": "x" * 1000, "n": "${ parameters.n }"} for n in range(4000)}
    last.context["slow"] = "${ #root.k1.text.![1] }"
    last.context |= {f"s{n}": "${ execution.stages.![context.toString().length()] }" for n in range(1000)}
    context = PipelineExpressions().context(made, last, ())
    assert context["k0"]["n"] == 21
    refused = [key for key in context["expressionEvaluationSummary"] if "stages" in key]
    assert refused, "a thousand walks over five megabytes are refused at some point"


def test_every_function_is_documented_and_in_the_compatibility_table():
    docs = Path(__file__).parents[3] / "docs"
    reference, table = ((docs / name).read_text() for name in ("reference/expressions.md", "compatibility.md"))
    made, last = ran()
    for name in functions_for(made, last):
        assert f"`#{name}(" in reference
        assert f"`{name}`" in table
