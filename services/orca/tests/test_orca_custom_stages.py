"""Stage types composed in settings: expanded, run, and refused when they can't be."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kork.settings import SettingsError
from orca.custom.composition import custom_stages
from orca.custom.settings import CustomStage
from orca.settings import OrcaSettings
from orca.stages.installed import catalogue_for
from orca.testing import Driver, pipeline, stage
from orca.testing.running import Orca, running_orca
from pydantic import ValidationError

Json = dict[str, Any]
GREET: Json = {
    "type": "greet",
    "label": "Greet",
    "description": "says a word, twice",
    "parameters": [
        {"name": "word", "label": "Word", "required": True},
        {"name": "times", "defaultValue": 2},
    ],
    "stages": [
        {
            "type": "evaluateVariables",
            "name": "say",
            "variables": [{"key": "said", "value": "${ parameterValues.word }-${ parameterValues.times }"}],
        },
        {"type": "wait", "name": "breathe", "waitTime": 0},
    ],
}


def composed(**change: Any) -> CustomStage:
    return CustomStage.model_validate(GREET | change)


def driver_of(*customs: Json) -> Driver:
    settings = OrcaSettings.model_validate({"embedded": True, "stages": {"custom": list(customs)}})
    return Driver(catalogue=catalogue_for(settings))


def test_a_composed_stage_runs_its_stages_and_their_outputs_are_found_after_it():
    first = stage("1", "greet", parameterValues={"word": "${ 'hi' }"})
    second = stage("2", "evaluateVariables", ["1"], variables=[{"key": "heard", "value": "${ said }!"}])
    execution = driver_of(GREET).run(pipeline(first, second))
    assert execution.status.value == "SUCCEEDED", [each.context for each in execution.stages]
    assert [(each.ref_id, each.name) for each in execution.stages if each.parent_id] == [
        ("1<1", "say"),
        ("1<2", "breathe"),
    ]
    assert execution.stages[1].requisites == ["1<1"]
    assert second.outputs == {"heard": "hi-2!"}


def test_stages_with_references_run_as_their_graph_says():
    parts = [
        {"type": "wait", "name": name, "waitTime": 0, "refId": name, "requisiteStageRefIds": after}
        for name, after in (("a", []), ("b", []), ("c", ["a", "b"]))
    ]
    first = stage("1", "greet", parameterValues={"word": "x"})
    execution = driver_of(GREET | {"stages": parts}).run(pipeline(first))
    assert execution.status.value == "SUCCEEDED"
    assert {each.name: each.requisites for each in execution.stages if each.parent_id} == {
        "a": [],
        "b": [],
        "c": ["1<1", "1<2"],
    }


def test_a_failing_part_fails_the_stage_as_its_options_say():
    broken = GREET | {"stages": [{"type": "checkPreconditions", "preconditionType": "expression", "context": {}}]}
    first = stage("1", "greet", parameterValues={"word": "x"}, continuePipeline=True, failPipeline=False)
    execution = driver_of(broken).run(pipeline(first))
    assert (first.status.value, execution.status.value) == ("FAILED_CONTINUE", "SUCCEEDED")


def test_a_composed_type_may_use_another_one():
    inner = {"type": "greet", "parameterValues": {"word": "very ${ parameterValues.word }"}}
    outer = {"type": "outer", "parameters": [{"name": "word"}], "stages": [inner]}
    first = stage("1", "outer", parameterValues={"word": "deep"})
    execution = driver_of(outer, GREET).run(pipeline(first))
    assert execution.status.value == "SUCCEEDED"
    assert [each.outputs["said"] for each in execution.stages if each.name == "say"] == ["very deep-2"]


def test_a_missing_parameter_is_named():
    first = stage("1", "greet")
    assert driver_of(GREET).run(pipeline(first)).status.value == "TERMINAL"
    assert first.context["exception"]["details"]["errors"] == [
        "parameterValues.word: the stage type 'greet' requires a value."
    ]


@pytest.mark.parametrize(
    ("customs", "told"),
    [
        ([composed(type="wait")], "there is a stage type 'wait' already"),
        ([composed(), composed()], "there is a stage type 'greet' already"),
        ([composed(stages=[{"type": "nope"}])], "there is no stage type 'nope'"),
        ([composed(stages=[{"type": "greet"}])], "it contains itself"),
        (
            [composed(stages=[{"type": "b"}]), composed(type="b", stages=[{"type": "greet"}])],
            "it contains itself",
        ),
    ],
)
def test_a_type_that_can_t_be_made_is_refused_at_the_start(customs: list[CustomStage], told: str):
    with pytest.raises(SettingsError, match=told):
        custom_stages(customs, {"wait", "evaluateVariables"})


def test_a_type_that_is_off_is_not_there():
    assert custom_stages([composed(enabled=False)], {"wait"}) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": ""}, "type"),
        ({"stages": []}, "stages"),
        ({"stages": [{"name": "x"}]}, "type missing"),
        ({"stages": [{"type": "wait", "refId": "1", "requisiteStageRefIds": ["2"]}]}, "names '2'"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_settings_name_the_key(change: Json, told: str):
    with pytest.raises(ValidationError, match=told):
        composed(**change)


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Orca]:
    with running_orca(new_orca_settings(stages={"custom": [GREET]})) as running:
        yield running


def test_composed_types_are_listed_and_run_by_workers(orca: Orca):
    [listed] = orca.get("/stages/custom")
    assert (listed["type"], listed["label"], [each["name"] for each in listed["parameters"]]) == (
        "greet",
        "Greet",
        ["word", "times"],
    )
    ended = orca.wait_end(orca.start({"type": "greet", "name": "Greet", "parameterValues": {"word": "hi"}}))
    assert ended["status"] == "SUCCEEDED"
    assert {each["name"]: each["status"] for each in ended["stages"]} == {
        "Greet": "SUCCEEDED",
        "say": "SUCCEEDED",
        "breathe": "SUCCEEDED",
    }
