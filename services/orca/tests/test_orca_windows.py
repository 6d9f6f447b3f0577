"""Restricted execution windows: when they open, and how a stage waits for it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kork.identity import Identity
from orca.execution.advance import advance
from orca.execution.model import Execution
from orca.execution.operations import change_stage
from orca.execution.windows import WrongWindow, next_time_inside, read_jitter, read_window
from orca.expressions import PipelineExpressions
from orca.settings import OrcaSettings
from orca.stages.catalogue import StageCatalogue
from orca.stages.installed import catalogue_for
from orca.testing import Driver, pipeline, stage

PACIFIC = ZoneInfo("America/Los_Angeles")


def hours(*texts: str) -> list[dict[str, int]]:
    """Windows written as `10:00-13:00`."""
    made: list[dict[str, int]] = []
    for text in texts:
        (start_hour, start_min), (end_hour, end_min) = (edge.split(":") for edge in text.split("-"))
        numbers = zip(
            ("startHour", "startMin", "endHour", "endMin"), (start_hour, start_min, end_hour, end_min), strict=True
        )
        made.append({key: int(value) for key, value in numbers})
    return made


def opens(text: str, windows: list[str], days: list[int], zone: ZoneInfo = PACIFIC) -> str:
    """Say when windows open for who asks at `text` (2015, by the zone's clock)."""
    now = datetime.strptime(f"2015/{text}", "%Y/%m/%d %H:%M:%S").replace(tzinfo=zone)
    window = read_window({"whitelist": hours(*windows), "days": days})
    found = next_time_inside(window, round(now.timestamp() * 1000), zone)
    return datetime.fromtimestamp(found / 1000, zone).strftime("%m/%d %H:%M:%S")


@pytest.mark.parametrize(
    ("now", "expected", "windows"),
    [
        ("02/14 01:00:00", "02/14 01:00:00", ["22:00-05:00"]),
        ("02/13 21:45:00", "02/14 06:00:00", ["06:00-10:00"]),
        ("02/13 13:45:00", "02/13 22:00:00", ["22:00-05:00"]),
        ("02/13 05:01:00", "02/13 22:00:00", ["22:00-05:00"]),
        ("02/13 05:00:59", "02/13 05:00:59", ["22:00-05:00"]),
        ("02/13 06:30:00", "02/13 10:00:00", ["10:00-13:00"]),
        ("02/13 09:59:59", "02/13 10:00:00", ["10:00-13:00"]),
        ("02/13 10:00:35", "02/13 10:00:35", ["10:00-13:00"]),
        ("02/13 10:01:35", "02/13 10:01:35", ["16:00-18:00", "10:00-13:00"]),
        ("02/13 14:01:00", "02/14 13:00:00", ["13:00-14:00"]),
        ("02/13 01:00:00", "02/13 01:00:00", ["00:00-05:00", "22:00-23:59"]),
        ("02/13 12:30:59", "02/13 13:00:00", ["10:00-11:00", "13:00-14:00", "15:00-16:00"]),
        ("02/13 16:01:00", "02/14 10:00:00", ["10:00-11:00", "13:00-14:00", "15:00-16:00"]),
        ("02/13 10:20:00", "02/13 10:30:00", ["10:30-10:10"]),
        ("02/13 10:05:00", "02/13 10:05:00", ["10:30-10:10"]),
    ],
)
def test_a_window_opens_at_its_first_minute(now: str, expected: str, windows: list[str]):
    assert opens(now, windows, []) == expected


@pytest.mark.parametrize(
    ("now", "windows", "days", "expected"),
    [
        ("02/25 01:00:00", ["22:00-05:00"], [1, 2, 3, 4, 5, 6, 7], "02/25 01:00:00"),
        ("02/25 21:45:00", ["06:00-10:00"], [5], "02/26 06:00:00"),
        ("02/25 21:45:00", ["06:00-10:00"], [3], "03/03 06:00:00"),
        ("02/25 21:45:00", ["06:00-10:00"], [4], "03/04 06:00:00"),
        ("02/25 21:45:00", ["06:00-10:00"], [3, 6], "02/27 06:00:00"),
        ("02/25 23:59:00", [], [1, 2, 3, 4, 5, 6, 7], "02/25 23:59:00"),
        ("02/25 01:00:00", [], [1], "03/01 00:00:00"),
        ("02/27 23:30:00", ["22:00-05:00"], [6], "02/27 23:30:00"),
        ("02/28 01:00:00", ["22:00-05:00"], [6], "03/06 00:00:00"),
    ],
)
def test_a_window_opens_on_its_days_only(now: str, windows: list[str], days: list[int], expected: str):
    assert opens(now, windows, days) == expected


@pytest.mark.parametrize(
    ("now", "windows", "expected"),
    [
        ("03/08 01:59:00", ["02:30-05:00"], "03/08 03:30:00"),
        ("03/08 01:59:00", ["02:10-02:40"], "03/09 02:10:00"),
        ("03/08 03:00:00", ["02:30-05:00"], "03/08 03:00:00"),
        ("11/01 00:30:00", ["01:10-01:20"], "11/01 01:10:00"),
        ("11/01 01:30:00", ["01:10-01:20"], "11/01 01:10:00"),
    ],
)
def test_a_window_in_an_hour_that_the_clock_skips_or_repeats(now: str, windows: list[str], expected: str):
    assert opens(now, windows, []) == expected


_times = st.tuples(st.integers(0, 23), st.integers(0, 59))
_windows = st.lists(st.tuples(_times, _times), max_size=3)


@given(
    windows=_windows,
    days=st.lists(st.integers(1, 7), max_size=3, unique=True),
    minute=st.integers(0, 14 * 24 * 60 - 1),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/Los_Angeles"]),
)
def test_no_earlier_minute_would_have_done(windows: Any, days: list[int], minute: int, zone: str):
    document = {
        "whitelist": [{"startHour": a[0], "startMin": a[1], "endHour": b[0], "endMin": b[1]} for a, b in windows],
        "days": days,
    }
    if not windows and not days:
        with pytest.raises(WrongWindow, match="names no hours and no days"):
            read_window(document)
        return
    place = ZoneInfo(zone)

    def fits(at: datetime) -> bool:
        local = at.astimezone(place)
        if days and local.isoweekday() % 7 + 1 not in days:
            return False
        clock = (local.hour, local.minute)
        return not windows or any(a <= clock <= b if a <= b else clock >= a or clock <= b for a, b in windows)

    at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=minute)
    found = next_time_inside(read_window(document), round(at.timestamp() * 1000), place)
    while not fits(at):
        at += timedelta(minutes=1)
    assert found == round(at.timestamp() * 1000)


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (None, "restrictedExecutionWindow must be an object"),
        ({"whitelist": {"startHour": 1}}, "whitelist must be an array"),
        ({"whitelist": [{"startHour": 24}]}, r"whitelist\[0\]\.startHour"),
        ({"whitelist": [{"endMin": "x"}]}, r"whitelist\[0\]\.endMin"),
        ({"days": [8]}, r"days\[0\]"),
        ({"days": [True]}, r"days\[0\]"),
        ({"whitelist": ["10:00"]}, r"whitelist\[0\] must be an object"),
    ],
)
def test_a_wrong_window_is_named_and_fails_its_stage(document: Any, named: str):
    with pytest.raises(WrongWindow, match=named):
        read_window(document)
    execution = pipeline(stage("1", "wait", restrictExecutionDuringTimeWindow=True, restrictedExecutionWindow=document))
    advance(execution, NOON, CATALOGUE, PipelineExpressions())
    window = execution.stage_by_ref("1<0")
    assert window is not None
    assert window.context["failureReason"].startswith("Exception occurred while calculating time window")
    assert execution.status.value == "TERMINAL"


@pytest.mark.parametrize(
    ("jitter", "trigger", "expected"),
    [
        ({"enabled": True, "minDelay": 60, "maxDelay": 600}, "cron", (60, 600)),
        ({"enabled": True, "maxDelay": 600}, "cron", (0, 600)),
        ({"enabled": True}, "cron", None),
        ({"enabled": False, "minDelay": 60, "maxDelay": 600}, "cron", None),
        ({"enabled": True, "maxDelay": 600, "skipManual": True}, "manual", None),
        ({"enabled": True, "maxDelay": 600, "skipManual": True}, "cron", (0, 600)),
        ({"enabled": True, "minDelay": 9, "maxDelay": 1}, "cron", None),
        ({"enabled": True, "maxDelay": "often"}, "cron", None),
    ],
)
def test_jitter_is_read_as_it_is_configured(jitter: Any, trigger: str, expected: tuple[int, int] | None):
    found = read_jitter({"jitter": jitter}, trigger)
    assert (found and (found.least, found.most)) == expected


# --- the stage

CATALOGUE: StageCatalogue = catalogue_for(
    OrcaSettings.model_validate({"tasks": {"executionWindow": {"timezone": "UTC"}}})
)
NOON = round(datetime(2026, 11, 25, 12, 0, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


def restricted(*windows: str, jitter: Any = None, **more: Any) -> Execution:
    """A pipeline of a wait stage that may run in these hours only."""
    window: dict[str, Any] = {"whitelist": hours(*windows)} | ({"jitter": jitter} if jitter else {})
    held = stage("1", "wait", restrictExecutionDuringTimeWindow=True, restrictedExecutionWindow=window, **more)
    return pipeline(held)


def go(execution: Execution, now: int):
    return advance(execution, now, CATALOGUE, PipelineExpressions())


def test_a_stage_waits_for_its_window_without_polling():
    execution = restricted("14:00-15:00")
    out = go(execution, NOON)
    window, held = execution.stages
    assert (window.ref_id, window.type, window.synthetic_owner) == (
        "1<0",
        "restrictExecutionDuringTimeWindow",
        "STAGE_BEFORE",
    )
    assert "restrictExecutionDuringTimeWindow" not in window.context
    assert [task.name for task in window.tasks] == ["suspendExecutionDuringTimeWindow"]
    assert (out.wake_at, window.scheduled_time, held.status.value) == (NOON + 2 * HOUR,) * 2 + ("RUNNING",)
    go(execution, NOON + 2 * HOUR - 1)
    assert window.status.value == "RUNNING"
    go(execution, NOON + 2 * HOUR)
    assert execution.status.value == "SUCCEEDED"


def test_a_person_skips_the_rest_of_the_wait():
    execution = restricted("14:00-15:00")
    go(execution, NOON)
    window = execution.stages[0]
    change_stage(execution, window.id, {"skipRemainingWait": True}, Identity("alice"), NOON + 5, CATALOGUE)
    go(execution, NOON + 5)
    assert execution.status.value == "SUCCEEDED"


def test_the_wait_for_a_window_does_not_count_for_the_stages_timeout():
    window = {"whitelist": hours("14:00-15:00")}
    held = stage("1", "manualJudgment", restrictExecutionDuringTimeWindow=True, restrictedExecutionWindow=window)
    held.context["stageTimeoutMs"] = 90_000
    execution = pipeline(held)
    assert go(execution, NOON).wake_at == NOON + 2 * HOUR
    assert go(execution, NOON + 2 * HOUR).wake_at == NOON + 2 * HOUR + 90_000
    go(execution, NOON + 2 * HOUR + 89_999)
    assert held.status.value == "RUNNING"
    go(execution, NOON + 2 * HOUR + 90_000)
    assert held.status.value == "TERMINAL"
    assert held.context["exception"]["exceptionType"] == "TimeoutException"


def test_jitter_waits_from_the_start_of_the_window_stage():
    jitter = {"enabled": True, "minDelay": 30, "maxDelay": 40}
    execution = restricted("11:00-13:00", jitter=jitter)
    execution.trigger["type"] = "cron"
    out = go(execution, NOON)
    window = execution.stages[0]
    assert [task.name for task in window.tasks] == ["suspendExecutionDuringTimeWindow", "waitForJitter"]
    waited = window.context["waitTime"]
    assert 30 <= waited <= 40
    assert out.wake_at == NOON + waited * 1000
    driver = Driver(CATALOGUE, now=NOON)
    driver.run(execution)
    assert execution.status.value == "SUCCEEDED"


def test_synthetic_stages_wait_for_their_parents_window_and_have_none_of_their_own():
    expression = {"type": "expression", "context": {"expression": True}}
    held = stage(
        "1",
        "checkPreconditions",
        preconditions=[expression],
        restrictExecutionDuringTimeWindow=True,
        restrictedExecutionWindow={"whitelist": hours("14:00-15:00")},
    )
    execution = pipeline(held)
    go(execution, NOON)
    child = execution.stage_by_ref("1<1")
    assert child is not None
    assert (child.requisites, child.status.value) == (["1<0"], "NOT_STARTED")
    assert child.context.keys().isdisjoint({"restrictExecutionDuringTimeWindow", "restrictedExecutionWindow"})
    go(execution, NOON + 2 * HOUR)
    assert execution.status.value == "SUCCEEDED"


def test_a_time_zone_that_does_not_exist_is_a_wrong_setting():
    with pytest.raises(ValueError, match="there is no time zone 'Mars/Olympus'"):
        OrcaSettings.model_validate({"tasks": {"executionWindow": {"timezone": "Mars/Olympus"}}})
