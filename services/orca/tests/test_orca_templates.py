"""Templates as rules: variables, stages of the template and of its use, what is inherited."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orca.launching.graph import stages_of
from orca.templates import InvalidTemplate, plan_templated
from orca.templates.graph import merge_stages
from orca.templates.model import is_templated
from orca.templates.planning import evaluate_planned

Json = dict[str, Any]


def wait(ref: str, *after: str, **more: Any) -> Json:
    return {"refId": ref, "type": "wait", "name": f"wait {ref}", "requisiteStageRefIds": list(after), **more}


def template(*stages: Json, variables: list[Json] | None = None, **more: Any) -> Json:
    pipeline = {"stages": list(stages), **more.pop("pipeline", {})}
    return {"schema": "v2", "id": "deploy", "variables": variables or [], "pipeline": pipeline, **more}


def use(*stages: Json, **more: Any) -> Json:
    reference = {"artifactAccount": "front50ArtifactCredentials", "type": "front50/pipelineTemplate"}
    return {
        "schema": "v2",
        "type": "templatedPipeline",
        "id": "p1",
        "application": "shop",
        "name": "Deploy",
        "template": reference | {"reference": "spinnaker://deploy"},
        "variables": {},
        "stages": list(stages),
        **more,
    }


def variable(name: str, type: str = "string", **more: Any) -> Json:
    return {"name": name, "type": type, **more}


def planned(config: Json, document: Json, **trigger: Any) -> Json:
    return plan_templated(config, document, {"type": "manual", "parameters": {}, **trigger})


def edges(stages: list[Json]) -> dict[str, list[str]]:
    return {stage["refId"]: stage["requisiteStageRefIds"] for stage in stages}


def faults(config: Json, document: Any, *, strict: bool = False) -> str:
    with pytest.raises(InvalidTemplate) as raised:
        plan_templated(config, document, {"type": "manual"}, strict=strict)
    assert raised.value.status == 400
    assert all(fault["severity"] in ("FATAL", "WARN") for fault in raised.value.body()["errors"])
    return raised.value.message


@pytest.mark.parametrize(
    ("type_name", "value", "fits"),
    [
        ("int", 3, True),
        ("int", 3.0, True),
        ("int", 3.5, False),
        ("int", float("inf"), False),
        ("int", 10**400, True),
        ("int", True, False),
        ("int", "3", False),
        ("INT", 3, True),
        ("Integer", 3, True),
        ("float", 3.5, True),
        ("float", 3, True),
        ("float", "3.5", False),
        ("bool", False, True),
        ("bool", "false", False),
        ("bool", 0, False),
        ("list", [], True),
        ("list", {}, False),
        ("string", "", True),
        ("string", 7, False),
        ("object", {"a": 1}, True),
        ("object", "anything", True),
        ("number", 3, False),
    ],
)
def test_a_variable_has_its_declared_type(type_name: str, value: Any, fits: bool):
    config, document = use(variables={"v": value}), template(variables=[variable("v", type_name)])
    if fits:
        assert planned(config, document)["templateVariables"] == {"v": value}
    else:
        assert f"v (expected type '{type_name}' found type '" in faults(config, document)


def test_a_variable_without_a_type_takes_anything():
    assert planned(use(variables={"v": [1]}), template(variables=[{"name": "v"}]))["templateVariables"] == {"v": [1]}


def test_everything_wrong_with_variables_is_told_at_once():
    document = template(
        variables=[
            variable("image"),
            variable("namespace"),
            variable("replicas", "int"),
            variable("owner"),
            variable("note", nullable=True),
        ]
    )
    message = faults(use(variables={"replicas": "three", "owner": None}), document)
    assert "[Pipeline Config: application='shop', name='Deploy', id='p1']" in message
    assert "Missing variable values for: image, namespace" in message
    assert "variable 'owner' supplied value is null but variable is not nullable" in message
    assert "replicas (expected type 'int' found type 'String')" in message
    assert "note" not in message


def test_defaults_fill_what_is_not_given_and_undeclared_variables_are_dropped():
    document = template(variables=[variable("a", defaultValue="x"), variable("b", nullable=True), variable("c")])
    assert planned(use(variables={"c": "y", "d": 1}), document)["templateVariables"] == {"a": "x", "b": None, "c": "y"}


def test_a_default_sees_the_trigger_the_application_and_the_other_variables():
    text = "${trigger.parameters.tag}-${application}-${templateVariables.env}"
    document = template(variables=[variable("name", defaultValue=text), variable("env")])
    made = planned(use(variables={"env": "prod"}), document, parameters={"tag": "7"})
    assert made["templateVariables"]["name"] == "7-shop-prod"


def test_variables_reach_every_text_and_what_needs_the_run_stays():
    stage = wait("1", waitTime="${ templateVariables.seconds }", comments="${ #stage('x').outputs }")
    document = template(stage, variables=[variable("seconds", "int")], pipeline={"description": "for ${trigger.user}"})
    trigger = {"type": "manual", "user": "alice"}
    made = evaluate_planned(plan_templated(use(variables={"seconds": 5}), document, trigger), trigger)
    assert (made["stages"][0]["waitTime"], made["description"]) == (5, "for alice")
    assert made["stages"][0]["comments"] == "${ #stage('x').outputs }"


@pytest.mark.parametrize("text", ["${templateVariables.nope}", "a ${templateVariables['nope']} b"])
def test_a_variable_that_is_used_and_not_declared_is_named(text: str):
    made = planned(use(), template(wait("1", comments=text)))
    with pytest.raises(InvalidTemplate, match=r"Missing template variable values for the following variables.*: nope"):
        evaluate_planned(made, {"type": "manual"})


def test_a_nullable_variable_may_be_used_without_a_value():
    document = template(
        wait("1", comments="${templateVariables.n ?: 'none'}", name="${templateVariables.n}"),
        variables=[variable("n", nullable=True)],
    )
    assert evaluate_planned(planned(use(), document), {})["stages"][0]["comments"] == "none"


A, B, C = wait("a"), wait("b", "a"), wait("c", "b")


@pytest.mark.parametrize(
    ("changes", "order", "expected"),
    [
        ([], "abc", {"b": ["a"], "c": ["b"]}),
        ([wait("b", "a", type="noop")], "abc", {"b": ["a"], "c": ["b"]}),
        ([wait("x", "c")], "abcx", {"x": ["c"]}),
        ([wait("x", inject={"first": True})], "xabc", {"a": ["x"], "x": []}),
        ([wait("x", inject={"last": True})], "abcx", {"x": ["c"]}),
        ([wait("x", inject={"before": ["b"]})], "axbc", {"b": ["x"], "x": ["a"]}),
        ([wait("x", inject={"before": "a"})], "xabc", {"a": ["x"], "x": []}),
        ([wait("x", inject={"after": ["b"]})], "abxc", {"x": ["b"], "c": ["x"]}),
        ([wait("x", inject={"after": ["a", "c"]})], None, "Cycle detected"),
        ([wait("x", inject={"before": ["nope"]})], None, "could not inject 'x' stage: unknown target stage id 'nope'"),
        ([wait("x", inject={"after": ["nope"]})], None, "could not inject 'x' stage: unknown target stage id 'nope'"),
        ([wait("x", inject={"first": False})], None, "did not have any valid injections defined (id: x)"),
        ([wait("x", inject={"after": [{}]})], None, "'inject.after' must be an array of refIds. (stage 'x')"),
        ([wait("a", "c")], None, "Cycle detected"),
        ([wait("x", "y"), wait("y", "x")], None, "Cycle detected"),
    ],
)
def test_stages_of_the_use_find_their_place(changes: list[Json], order: str | None, expected: Any):
    config, document = use(*changes), template(A, B, C)
    if order is None:
        assert expected in faults(config, document)
        return
    stages = planned(config, document)["stages"]
    assert "".join(stage["refId"] for stage in stages) == order
    assert edges(stages) | expected == edges(stages)


def test_a_replaced_stage_is_the_one_of_the_use():
    [_, b, _] = planned(use(wait("b", "a", type="noop", name="mine")), template(A, B, C))["stages"]
    assert (b["type"], b["name"]) == ("noop", "mine")


def test_a_template_may_inject_its_own_stages():
    stages = planned(use(), template(A, B, wait("z", inject={"first": True})))["stages"]
    assert edges(stages) == {"z": [], "a": ["z"], "b": ["a"]}


def test_a_stage_with_requisites_and_a_rule_is_injected_once():
    stages = planned(use(wait("x", "a", inject={"before": ["b"]})), template(A, B))["stages"]
    assert edges(stages) == {"a": [], "x": ["a"], "b": ["x"]}


def test_a_stage_without_a_place_is_a_warning_when_planned_and_left_out_when_started():
    config, document = use(wait("x")), template(A)
    assert [stage["refId"] for stage in planned(config, document)["stages"]] == ["a"]
    assert "either dependsOn or an inject rule" in faults(config, document, strict=True)


def test_a_protected_template_keeps_its_stages():
    assert "Modification of the stage graph" in faults(use(wait("x", "a")), template(A, protect=True))
    assert planned(use(), template(A, protect=True))["stages"] == [A]


def test_notifications_parameters_and_triggers_are_merged_and_the_inherited_are_marked():
    mail, chat = {"type": "email", "address": "a"}, {"type": "slack", "address": "b"}
    cron, git = {"type": "cron", "id": "1"}, {"type": "git"}
    tag, env = {"name": "tag"}, {"name": "env"}
    document = template(A, pipeline={"notifications": [mail], "triggers": [cron], "parameterConfig": [tag]})
    config = use(notifications=[mail, chat], triggers=[git], parameters=[env])
    made = planned(config, document)
    assert made["notifications"] == [mail | {"inherited": True}, chat]
    assert made["triggers"] == [cron | {"inherited": True}, git]
    assert made["parameterConfig"] == [tag | {"inherited": True}, env]
    without = planned(config | {"exclude": ["notifications", "triggers", "parameters"]}, document)
    assert (without["notifications"], without["triggers"]) == ([mail, chat], [git])
    assert without["parameterConfig"] == [env]


def test_the_planned_pipeline_is_the_template_s_with_the_use_s_identity():
    document = template(A, pipeline={"limitConcurrent": False, "spelEvaluator": "v4", "name": "from the template"})
    config = use(executionId="E1", limitConcurrent=True, maxConcurrentExecutions=3, disabled=True)
    made = planned(config, document)
    told = {key: made[key] for key in ("id", "application", "name", "executionId", "limitConcurrent", "disabled")}
    assert told == {
        "id": "p1",
        "application": "shop",
        "name": "Deploy",
        "executionId": "E1",
        "limitConcurrent": False,
        "disabled": True,
    }
    assert (made["maxConcurrentExecutions"], made["keepWaitingPipelines"]) == (3, False)
    assert made["source"] == {"type": "templatedPipeline", "version": "v2"}
    assert "template" not in made
    assert planned({key: value for key, value in config.items() if key != "name"}, document)["name"] == (
        "Unnamed Execution"
    )


def test_expected_artifacts_of_both_are_expected():
    document = template(A, pipeline={"expectedArtifacts": [{"id": "1"}]})
    made = planned(use(expectedArtifacts=[{"id": "1"}, {"id": "2"}]), document)
    assert made["expectedArtifacts"] == [{"id": "1"}, {"id": "2"}]


@pytest.mark.parametrize(
    ("config", "document", "named"),
    [
        (use(), [], "The template must be an object, not an array"),
        (use(), {"schema": "v3", "pipeline": {}}, "expected 'v2', got 'v3'"),
        (use(), {"schema": "1"}, "schema '1' are not supported"),
        (use(), template() | {"pipeline": []}, "'pipeline' must be an object"),
        (use(), template() | {"variables": {}}, "'variables' must be an array"),
        (use(), template(variables=[{}]), "A variable must be an object with a 'name'"),
        (use(), template(variables=[{"name": "v", "type": 7}]), "The 'type' of a variable must be text"),
        (use(), template() | {"protect": "yes"}, "'protect' must be true or false"),
        (use(), template({"type": "wait"}), "A stage must have a 'refId'"),
        (use(), template(A, A), "refId 'a' is borne by several stages"),
        (use(), template(pipeline={"stages": {}}), "'stages' must be an array of objects"),
        (use(), template(wait("a", inject=7)), "'inject' must be an object"),
        (use(), template(wait("a") | {"requisiteStageRefIds": [None]}), "must be an array of refIds"),
        (use() | {"application": None}, template(), "Missing 'application' configuration"),
        (use(variables=[]), template(), "'variables' must be an object"),
        (use(exclude="notifications"), template(), "'exclude' must be an array"),
        (use(triggers={}), template(), "'triggers' must be an array"),
        (use() | {"stages": "x"}, template(), "'stages' must be an array of objects"),
    ],
)
def test_what_can_t_be_read_is_named(config: Json, document: Any, named: str):
    assert named in faults(config, document)


def test_which_pipelines_are_templated():
    assert is_templated(use())
    assert not is_templated({"schema": "1", "stages": []})
    assert not is_templated({"schema": "v2", "type": "templatedPipeline", "stages": []})
    for old in ({"type": "templatedPipeline", "config": {"schema": "1"}}, {"type": "templatedPipeline", "schema": "1"}):
        with pytest.raises(InvalidTemplate, match="schema '1' are not supported") as raised:
            is_templated(old)
        assert "spinnaker://" in raised.value.body()["errors"][0]["suggestion"]


REFS = st.sampled_from("abcdef")
STAGE = st.builds(
    lambda ref, after, inject: wait(ref, *after, **({"inject": inject} if inject else {})),
    REFS,
    st.sets(REFS, max_size=2),
    st.sampled_from([None, {"first": True}, {"last": True}, {"before": ["a"]}, {"after": ["a", "b"]}]),
)
STAGES = st.lists(STAGE, max_size=5, unique_by=lambda stage: stage["refId"])


@given(STAGES, STAGES)
def test_merged_stages_are_a_graph_or_a_refusal(of_template: list[Json], of_use: list[Json]):
    try:
        merged = merge_stages(deepcopy(of_template), deepcopy(of_use))
    except InvalidTemplate:
        return
    refs = [stage["refId"] for stage in merged]
    assert len(refs) == len(set(refs))
    assert {stage["refId"] for stage in of_template} <= set(refs)
    placed = {stage["refId"] for stage in of_use if stage["requisiteStageRefIds"] or stage.get("inject")}
    assert placed <= set(refs)
    known = [
        stage | {"requisiteStageRefIds": [r for r in edges(merged)[stage["refId"]] if r in refs]} for stage in merged
    ]
    assert len(stages_of({"stages": known})) == len(merged)


@given(st.dictionaries(REFS, st.none() | st.integers() | st.text(max_size=3) | st.booleans()))
def test_planning_changes_nothing_that_it_is_given(variables: Json):
    config = use(wait("x", inject={"after": ["a"]}), variables=variables)
    document = template(A, B, variables=[variable(name, "object", defaultValue=1) for name in "abc"])
    before = deepcopy((config, document))
    if None in [variables.get(name, 1) for name in "abc"]:
        assert "supplied value is null" in faults(config, document)
    else:
        assert planned(config, document)["templateVariables"].keys() == {"a", "b", "c"}
    assert (config, document) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abx"), inner, max_size=2),
    max_leaves=4,
)
FULL = template(
    wait("a"),
    wait("b", "a", inject={"first": True}),
    variables=[variable("v", "int", defaultValue=1, nullable=True)],
    protect=False,
    pipeline={"triggers": [{}], "notifications": [{}], "parameterConfig": [{"name": "p"}], "expectedArtifacts": [{}]},
)
USE = use(
    wait("c", "a", inject={"after": ["a"]}),
    triggers=[{}],
    notifications=[{}],
    parameters=[{}],
    parameterConfig=[{}],
    expectedArtifacts=[{}],
    exclude=["triggers"],
    variables={"v": 2},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = deepcopy(value)
    at = copied
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return copied


@given(st.sampled_from(places(FULL)), st.sampled_from(places(USE)[1:]), JSON, JSON, st.booleans())
def test_whatever_is_written_is_planned_or_refused_in_words(
    in_template: tuple[Any, ...], in_use: tuple[Any, ...], one: Any, two: Any, both: bool
):
    document = replaced(FULL, in_template, one)
    config = replaced(USE, in_use, two) if both else USE
    told = "it is planned"
    try:
        if is_templated(config):
            evaluate_planned(plan_templated(config, document, {"type": "manual"}, strict=True), {"type": "manual"})
    except InvalidTemplate as error:
        told = error.faults[0].message
    assert told
