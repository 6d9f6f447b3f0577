"""The engine's rules, one by one, on scripted stages."""

import pytest
from orca.execution.advance import advance, answer
from orca.execution.model import Execution
from orca.execution.status import Status
from orca.stages.results import TaskFailure, succeeded
from orca.testing import NoExpressions, pipeline, scripted_catalogue, stage

CATALOGUE = scripted_catalogue()


def go(execution: Execution, now: int = 1000):
    return advance(execution, now, CATALOGUE, NoExpressions())


def run_out(execution: Execution, now: int = 1000) -> int:
    """Advance through time until nothing is due."""
    for _ in range(1000):
        wake = go(execution, now).wake_at
        if wake is None:
            return now
        now = max(wake, now)
    raise AssertionError("the execution doesn't end")


def statuses(execution: Execution) -> dict[str, str]:
    return {each.ref_id: each.status.value for each in execution.stages}


def test_a_chain_runs_to_its_end_in_one_advance():
    execution = pipeline(stage("1"), stage("2", after=["1"]), stage("3", after=["2"]))
    out = go(execution)
    assert execution.status is Status.SUCCEEDED
    assert set(statuses(execution).values()) == {"SUCCEEDED"}
    assert len(out.dirty) == 3
    assert next(e.type for e in out.events) == "orca:pipeline:starting"
    assert out.wake_at is None


def test_a_join_waits_for_all_its_branches():
    execution = pipeline(
        stage("1"),
        stage("2", after=["1"], script=["RUNNING:50"]),
        stage("3", after=["1"]),
        stage("4", after=["2", "3"]),
    )
    out = go(execution, 1000)
    assert statuses(execution) == {"1": "SUCCEEDED", "2": "RUNNING", "3": "SUCCEEDED", "4": "NOT_STARTED"}
    assert out.wake_at == 1050
    go(execution, 1049)
    assert execution.status is Status.RUNNING
    go(execution, 1050)
    assert execution.status is Status.SUCCEEDED


FAILURES = [
    ({}, "TERMINAL", "TERMINAL", "CANCELED"),
    ({"failPipeline": True}, "TERMINAL", "TERMINAL", "CANCELED"),
    ({"failPipeline": False}, "STOPPED", "SUCCEEDED", "SUCCEEDED"),
    ({"failPipeline": "false"}, "STOPPED", "SUCCEEDED", "SUCCEEDED"),
    ({"failPipeline": False, "completeOtherBranchesThenFail": True}, "STOPPED", "TERMINAL", "SUCCEEDED"),
    ({"failPipeline": False, "continuePipeline": True}, "FAILED_CONTINUE", "SUCCEEDED", "SUCCEEDED"),
]


@pytest.mark.parametrize("word", ["TERMINAL", "raise"])
@pytest.mark.parametrize(("options", "failed", "whole", "other"), FAILURES)
def test_a_failure_has_the_effect_that_its_stage_says(word, options, failed, whole, other):
    execution = pipeline(
        stage("slow", script=["RUNNING:500"]),
        stage("bad", script=[word], **options),
        stage("next", after=["bad"]),
    )
    run_out(execution)
    assert statuses(execution)["bad"] == failed
    assert execution.status.value == whole
    assert statuses(execution)["slow"] == other
    ran = options.get("continuePipeline")
    assert statuses(execution)["next"] == ("SUCCEEDED" if ran else "NOT_STARTED")


def test_after_an_ignored_failure_the_stages_later_tasks_still_run():
    execution = pipeline(stage("1", script=["raise"], tasks=2, continuePipeline=True, failPipeline=False))
    go(execution)
    assert [t.status.value for t in execution.stages[0].tasks] == ["FAILED_CONTINUE", "FAILED_CONTINUE"]
    assert execution.status is Status.SUCCEEDED


def test_synthetic_stages_surround_their_parent_and_bear_its_reference():
    execution = pipeline(stage("1", before=[{}, {}], behind=[{}]), stage("2", after=["1"]))
    go(execution)
    assert [s.ref_id for s in execution.stages] == ["1<1", "1<2", "1", "1>1", "2"]
    assert [s.position for s in execution.stages] == sorted(s.position for s in execution.stages)
    assert set(statuses(execution).values()) == {"SUCCEEDED"}


def test_a_failed_stage_before_ends_its_parent_without_running_its_tasks():
    execution = pipeline(stage("1", before=[{"script": ["TERMINAL"]}, {}], chained=True))
    go(execution)
    assert statuses(execution) == {"1<1": "TERMINAL", "1<2": "NOT_STARTED", "1": "TERMINAL"}
    assert execution.stages[-1].tasks[0].status is Status.NOT_STARTED


def test_failure_stages_replace_what_has_not_started_and_run_once():
    execution = pipeline(stage("1", script=["TERMINAL"], before=[{}], failure=[{}, {"script": ["RUNNING:9"]}]))
    run_out(execution)
    assert statuses(execution) == {"1<1": "SUCCEEDED", "1": "TERMINAL", "1>1": "SUCCEEDED", "1>2": "SUCCEEDED"}
    assert execution.status is Status.TERMINAL


def test_a_failed_stage_after_fails_its_parent():
    execution = pipeline(stage("1", behind=[{"script": ["RUNNING:5", "TERMINAL"]}, {}], chained=True))
    run_out(execution)
    assert statuses(execution) == {"1": "TERMINAL", "1>1": "TERMINAL", "1>2": "NOT_STARTED"}
    assert execution.status is Status.TERMINAL


def test_a_loop_runs_until_its_task_lets_it_go():
    execution = pipeline(stage("1", loop=True, tasks=2, script=["SUCCEEDED", "REDIRECT", "SUCCEEDED", "SUCCEEDED"]))
    go(execution)
    assert execution.status is Status.SUCCEEDED
    assert execution.stages[0].context["step"] == 4
    first, last = execution.stages[0].tasks
    assert (first.loop_start, last.loop_end, first.stage_start) == (True, True, False)


def test_an_endless_loop_does_not_hold_the_worker():
    execution = pipeline(stage("1", loop=True, script=["REDIRECT"] * 5000))
    assert go(execution).wake_at == 2000


@pytest.mark.parametrize(("text", "status"), [("true", "SUCCEEDED"), ("false", "SKIPPED"), ("${no", "SKIPPED")])
def test_stage_enabled_decides_whether_a_stage_runs(text, status):
    condition = {"type": "expression", "expression": text}
    execution = pipeline(stage("1", stageEnabled=condition), stage("2", after=["1"]))
    go(execution)
    assert statuses(execution) == {"1": status, "2": "SUCCEEDED"}
    if status == "SKIPPED":
        assert execution.stages[0].start_time is None
        assert execution.stages[0].end_time == 1000


def test_a_stage_that_could_not_start_in_time_is_skipped():
    late = stage("1")
    late.start_time_expiry = 999
    execution = pipeline(late)
    go(execution)
    assert statuses(execution) == {"1": "SKIPPED"}


def test_an_execution_that_could_not_start_in_time_is_cancelled():
    execution = pipeline(stage("1"), start_time_expiry=999)
    go(execution)
    assert (execution.status, execution.canceled_by) == (Status.CANCELED, "spinnaker")
    assert execution.cancellation_reason == "Could not begin execution before start time expiry"


def test_an_unknown_stage_type_fails_with_the_names_that_are_known():
    execution = pipeline(stage("1", type="doesNotExist"))
    go(execution)
    failed = execution.stages[0]
    assert failed.status is Status.TERMINAL
    assert failed.start_time is None
    assert failed.context["exception"]["exceptionType"] == "NoSuchStageDefinitionBuilderException"
    assert "doesNotExist" in failed.context["exception"]["details"]["errors"][0]
    assert failed.context["beforeStagePlanningFailed"] is True


@pytest.mark.parametrize("stages", [[], [("1", ["2"]), ("2", ["1"])], [("1", ["nowhere"])]])
def test_an_execution_without_a_first_stage_fails_at_once(stages):
    execution = pipeline(*(stage(ref, after=after) for ref, after in stages))
    go(execution)
    assert execution.status is Status.TERMINAL


def test_a_cycle_behind_the_first_stage_does_not_hang_the_execution():
    execution = pipeline(stage("1"), stage("2", after=["1", "3"]), stage("3", after=["2"]))
    go(execution)
    assert execution.status is Status.TERMINAL


def test_a_cancelled_execution_ends_what_runs_and_starts_nothing():
    execution = pipeline(stage("1", script=["RUNNING:5000"], behind=[{}]), stage("2", after=["1"]))
    go(execution)
    execution.canceled = True
    out = go(execution, 1100)
    assert statuses(execution)["1"] == "CANCELED"
    assert statuses(execution)["2"] == "NOT_STARTED"
    assert execution.status is Status.CANCELED
    assert out.cancels == [execution.stages[0].id]


def test_an_answer_that_comes_after_a_cancel_is_kept_and_nothing_else_runs():
    execution = pipeline(stage("1", io=True, tasks=2))
    [run] = go(execution).runs
    execution.canceled = True
    assert go(execution, 1010).runs == []
    assert execution.status is Status.RUNNING
    out = answer(
        execution, run.stage_id, run.task_id, run.attempt, succeeded({"id": "7"}), 1020, CATALOGUE, NoExpressions()
    )
    assert out.runs == []
    assert execution.stages[0].context["id"] == "7"
    assert [t.status.value for t in execution.stages[0].tasks] == ["SUCCEEDED", "CANCELED"]
    assert execution.status is Status.CANCELED


def test_an_answer_to_an_old_attempt_is_dropped():
    execution = pipeline(stage("1", io=True))
    [run] = go(execution).runs
    answer(execution, run.stage_id, run.task_id, run.attempt - 1, succeeded(), 1020, CATALOGUE, NoExpressions())
    assert execution.status is Status.RUNNING


def test_a_failure_that_may_pass_is_tried_again_after_the_backoff():
    execution = pipeline(stage("1", io=True))
    [run] = go(execution).runs
    failure = TaskFailure("busy", retry=True)
    out = answer(execution, run.stage_id, "1", run.attempt, failure, 2000, CATALOGUE, NoExpressions())
    assert (out.runs, out.wake_at) == ([], 2100)
    [again] = go(execution, 2100).runs
    assert again.attempt == run.attempt + 1


def test_pause_and_resume_hold_and_continue_running_tasks():
    execution = pipeline(stage("1", script=["RUNNING:50"], before=[{"script": ["RUNNING:10"]}]))
    go(execution)
    execution.status = Status.PAUSED
    out = go(execution, 1005)
    assert statuses(execution) == {"1<1": "PAUSED", "1": "PAUSED"}
    assert out.wake_at is None
    go(execution, 9000)
    assert statuses(execution) == {"1<1": "PAUSED", "1": "PAUSED"}
    execution.status = Status.RUNNING
    run_out(execution, 9001)
    assert execution.status is Status.SUCCEEDED


def test_a_stage_that_takes_too_long_times_out():
    execution = pipeline(stage("1", script=["RUNNING:5000"], stageTimeoutMs=2000))
    assert go(execution, 1000).wake_at == 3000
    go(execution, 3000)
    exception = execution.stages[0].context["exception"]
    assert exception["exceptionType"] == "TimeoutException"
    assert "timed out after 2 seconds" in exception["details"]["errors"][0]
    assert execution.stages[0].tasks[0].exception_details["exception"] == exception
    assert execution.status is Status.TERMINAL


def test_a_timeout_may_count_as_success():
    execution = pipeline(stage("1", script=["RUNNING:5000"], stageTimeoutMs=2000, markSuccessfulOnTimeout=True))
    run_out(execution)
    assert execution.status is Status.SUCCEEDED


def test_a_stage_skipped_by_hand_lets_the_next_one_start():
    execution = pipeline(stage("1", script=["RUNNING:99999"], skippable=True), stage("2", after=["1"]))
    go(execution)
    assert execution.stages[0].context["canManuallySkip"] is True
    execution.stages[0].context["manualSkip"] = True
    go(execution, 1001)
    assert statuses(execution) == {"1": "SKIPPED", "2": "SUCCEEDED"}


def test_failed_expressions_fail_a_stage_that_asks_for_it():
    summary = {"x": [{"description": "Failed to evaluate x", "level": "ERROR"}]}
    execution = pipeline(stage("1", failOnFailedExpressions=True, expressionEvaluationSummary=summary))
    go(execution)
    assert execution.stages[0].status is Status.TERMINAL
    assert execution.stages[0].context["exception"]["details"]["errors"] == ["Failed to evaluate x"]


def test_a_child_whose_failure_is_ignored_ends_its_parent_unless_siblings_may_go_on():
    bad = {"script": ["TERMINAL"], "continuePipeline": True, "failPipeline": False}
    execution = pipeline(stage("1", before=[bad, {}], chained=True), stage("2", after=["1"]))
    go(execution)
    assert statuses(execution) == {
        "1<1": "FAILED_CONTINUE",
        "1<2": "NOT_STARTED",
        "1": "FAILED_CONTINUE",
        "2": "SUCCEEDED",
    }
    tolerant = bad | {"allowSiblingStagesToContinueOnFailure": True}
    execution = pipeline(stage("1", before=[tolerant, {}], chained=True))
    go(execution)
    assert statuses(execution) == {"1<1": "FAILED_CONTINUE", "1<2": "SUCCEEDED", "1": "FAILED_CONTINUE"}


def test_a_dry_run_does_nothing():
    execution = pipeline(stage("1", script=["TERMINAL"], before=[{"script": ["TERMINAL"]}]))
    execution.trigger["dryRun"] = True
    go(execution)
    assert execution.status is Status.SUCCEEDED


def test_two_thousand_stages_run():
    chain = [stage("0")] + [stage(str(n), after=[str(n - 1)]) for n in range(1, 1000)]
    fan = [stage(f"f{n}", after=["999"]) for n in range(1000)]
    execution = pipeline(*chain, *fan)
    go(execution)
    assert execution.status is Status.SUCCEEDED
