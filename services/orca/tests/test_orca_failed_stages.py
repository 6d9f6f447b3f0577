"""Where an execution failed, through its children; and the executions of a project."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kork.testing.peers import Reply, Request, serve
from orca.execution.model import Execution, StageExecution
from orca.execution.status import Status
from orca.pipelines.failed_stages import failures
from orca.settings import OrcaSettings
from orca.testing import pipeline, stage
from orca.testing.running import Orca, running_orca


def ended(id: str, *stages: StageExecution, **fields: Any) -> Execution:
    made = pipeline(*stages, **fields)
    made.id = id
    return made


def failed(ref: str, status: Status = Status.TERMINAL, type: str = "wait", **context: Any) -> StageExecution:
    one = stage(ref, type, **context)
    one.id, one.status = f"S{ref}", status
    return one


def names(*executions: Execution, strict: bool = False, root: str = "E") -> list[str]:
    known = {each.id: each for each in executions}
    return [each["stageId"] for each in failures(root, known.get, "", strict=strict)]


def test_an_execution_that_is_gone_or_went_well_has_none():
    assert names() == []
    assert names(ended("E", failed("1", Status.SUCCEEDED), failed("2", Status.SKIPPED))) == []


def test_failed_stages_of_children_stand_for_the_stage_that_ran_them():
    root = ended(
        "E",
        failed("1"),
        failed("2", Status.SUCCEEDED, "pipeline", executionId="C0"),
        failed("3", type="pipeline", executionId="C1", application="shop", executionName="child"),
        failed("4", type="pipeline", executionId="gone"),
    )
    child = ended("C1", failed("5", type="pipeline", executionId="C2"), failed("6"))
    grandchild = ended("C2", failed("7"))
    assert names(root, child, grandchild, ended("C0", failed("0"))) == ["S1", "S7", "S6", "S4"]


@pytest.mark.parametrize(("strict", "expected"), [(False, ["S1", "S2", "S3", "S4"]), (True, ["S1", "S2"])])
def test_strictly_only_what_fails_the_pipeline_counts(strict: bool, expected: list[str]):
    execution = ended(
        "E",
        failed("1"),
        failed("2", Status.STOPPED, completeOtherBranchesThenFail=True),
        failed("3", Status.STOPPED),
        failed("4", Status.FAILED_CONTINUE),
    )
    assert names(execution, strict=strict) == expected


def test_children_that_lead_back_to_their_parent_end():
    assert names(ended("E", failed("1", type="pipeline", executionId="E"))) == ["S1"]


def test_a_failed_stage_is_told_with_its_pipeline_its_parent_and_its_reason():
    parent = {"id": "P", "name": "parent", "application": "platform"}
    exception = {"details": {"error": "Unexpected Task Failure", "errors": ["no disk", "more"]}}
    execution = ended("E", failed("0", Status.SUCCEEDED), failed("1", exception=exception))
    execution.trigger["parentExecution"] = parent
    [told] = failures("E", {"E": execution}.get, "https://deck", strict=False)
    assert told == {
        "parentPipelineExecutionId": "P",
        "parentPipelineExecutionName": "parent",
        "parentPipelineApplication": "platform",
        "parentPipelineExecutionUrl": None,
        "pipelineExecutionId": "E",
        "pipelineExecutionName": "p",
        "pipelineApplication": "app",
        "pipelineExecutionUrl": (
            "https://deck/#/applications/app/executions/details/E?stage=1&step=0&details=runJobConfig"
        ),
        "stageId": "S1",
        "stageName": "wait 1",
        "stageType": "wait",
        "stageStatus": "TERMINAL",
        "stageException": "no disk",
        "childPipelineExecutionId": None,
        "childPipelineExecutionName": None,
        "childPipelineApplication": None,
        "childPipelineExecutionUrl": None,
    }


def front50(request: Request) -> Reply:
    """Answer as a front50 with one project."""
    if request.path == "/v2/projects/shop":
        return 200, {"config": {"pipelineConfigs": [{"application": "shop", "pipelineConfigId": "c1"}, {}]}}
    if request.path == "/v2/projects/old":
        return 404, {"message": "No handler found for GET /v2/projects/old"}
    return 404, {"message": "Project not found"}


@pytest.fixture(scope="module")
def orca(new_orca_settings: Callable[..., OrcaSettings]) -> Iterator[Orca]:
    settings = new_orca_settings()
    with serve(front50) as peer:
        settings.services.front50.base_url = peer.url
        with running_orca(settings) as running:
            yield running


def test_failed_stages_are_served_up_to_a_limit(orca: Orca):
    checks = [
        {
            "refId": ref,
            "requisiteStageRefIds": [],
            "type": "checkPreconditions",
            "preconditionType": "expression",
            "context": {"expression": "false"},
            "failPipeline": False,
        }
        for ref in "12"
    ]
    id = orca.start(*checks)
    orca.wait_end(id)
    assert len(orca.get("/pipelines/failedStages", executionId=id)) == 1
    both = orca.get("/pipelines/failedStages", executionId=id, limit=5)
    assert [each["stageStatus"] for each in both] == ["STOPPED", "STOPPED"]
    assert orca.get("/pipelines/failedStages", executionId="nope") == []


def test_executions_of_a_project_are_those_of_its_pipelines(orca: Orca):
    ours, other = orca.start(id="c1"), orca.start(id="c2")
    for id in (ours, other):
        orca.wait_end(id)
    assert [each["id"] for each in orca.get("/projects/shop/pipelines")] == [ours]
    assert orca.get("/projects/shop/pipelines", statuses="RUNNING") == []


@pytest.mark.parametrize(("id", "told"), [("nope", "Project not found"), ("old", "front50 does not keep projects yet")])
def test_a_project_that_is_not_there_is_a_404_that_says_so(orca: Orca, id: str, told: str):
    assert told in orca.get(f"/projects/{id}/pipelines", status=404)["message"]
