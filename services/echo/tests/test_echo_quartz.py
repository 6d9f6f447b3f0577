"""Cron expressions: when they fire, against tables and against a slow and obvious model."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from echo.schedule.describe import describe
from echo.schedule.misfires import decide
from echo.schedule.quartz import DaysOfMonth, DaysOfWeek, InvalidCron, parse
from echo.settings import SchedulerSettings
from hypothesis import given, settings
from hypothesis import strategies as st

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
BERLIN = ZoneInfo("Europe/Berlin")


def fires(text: str, after: str, zone: tzinfo = UTC, count: int = 3) -> list[str]:
    moment = datetime.fromisoformat(after).replace(tzinfo=zone)
    found: list[str] = []
    for _ in range(count):
        moment = parse(text).next_after(moment, zone)
        if moment is None:
            break
        found.append(moment.astimezone(zone).isoformat(timespec="seconds")[:19])
    return found


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 0 10 ? * MON", "2027-03-13T00:00", ["2027-03-15T10:00:00", "2027-03-22T10:00:00"]),
        ("0 0 10 ? * 2", "2027-03-13T00:00", ["2027-03-15T10:00:00", "2027-03-22T10:00:00"]),
        ("0 0/20 9 * * ?", "2027-03-13T09:30", ["2027-03-13T09:40:00", "2027-03-14T09:00:00"]),
        ("0 0 22-2/2 * * ?", "2027-03-13T12:00", ["2027-03-13T22:00:00", "2027-03-14T00:00:00"]),
        ("0 0 0 ? * FRI-MON", "2027-03-16T12:00", ["2027-03-19T00:00:00", "2027-03-20T00:00:00"]),
        ("0 0 0 L * ?", "2027-02-13T00:00", ["2027-02-28T00:00:00", "2027-03-31T00:00:00"]),
        ("0 0 0 L-3 * ?", "2027-02-13T00:00", ["2027-02-25T00:00:00", "2027-03-28T00:00:00"]),
        ("0 0 0 LW * ?", "2027-02-13T00:00", ["2027-02-26T00:00:00", "2027-03-31T00:00:00"]),
        ("0 0 0 15W * ?", "2027-05-01T00:00", ["2027-05-14T00:00:00", "2027-06-15T00:00:00"]),
        ("0 0 0 1W * ?", "2027-05-02T12:00", ["2027-05-03T00:00:00", "2027-06-01T00:00:00"]),
        ("0 0 9 ? * 6#3", "2027-03-13T00:00", ["2027-03-19T09:00:00", "2027-04-16T09:00:00"]),
        ("0 0 9 ? * FRI#5", "2027-03-13T00:00", ["2027-04-30T09:00:00", "2027-07-30T09:00:00"]),
        ("0 0 9 ? * 5L", "2027-03-13T00:00", ["2027-03-25T09:00:00", "2027-04-29T09:00:00"]),
        ("0 0 9 ? * L", "2027-03-13T12:00", ["2027-03-20T09:00:00", "2027-03-27T09:00:00"]),
        ("0 0 0 29 2 ?", "2027-03-13T00:00", ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ("0 0 0 1 JAN,jul ? 2027-2028", "2027-03-13T00:00", ["2027-07-01T00:00:00", "2028-01-01T00:00:00"]),
        ("59 59 23 31 12 ? 2027", "2027-03-13T00:00", ["2027-12-31T23:59:59"]),
        ("0 0 0 30 2 ?", "2027-03-13T00:00", []),
        ("0 0 0 1 1 ? 2020", "2027-03-13T00:00", []),
        ("*/30 * * * * ?", "2027-03-13T00:00:10", ["2027-03-13T00:00:30", "2027-03-13T00:01:00"]),
    ],
)
def test_when_expressions_fire(text: str, after: str, expected: list[str]):
    assert fires(text, after, count=2) == expected


def test_a_time_that_the_clock_skips_fires_later_by_the_jump():
    assert fires("0 30 2 * * ?", "2027-03-13T12:00", LOS_ANGELES, 2) == ["2027-03-14T03:30:00", "2027-03-15T02:30:00"]


def test_a_time_that_the_clock_shows_twice_fires_once():
    assert fires("0 30 1 * * ?", "2027-11-06T12:00", LOS_ANGELES, 2) == ["2027-11-07T01:30:00", "2027-11-08T01:30:00"]


@pytest.mark.parametrize("day", ["2027-03-28T00:59", "2027-10-31T00:59"])
def test_what_fires_every_hour_keeps_its_pace_when_the_clock_changes(day: str):
    moment = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    cron = parse("0 0 * * * ?")
    first = cron.next_after(moment, BERLIN)
    for _ in range(4):
        assert first is not None
        following = cron.next_after(first, BERLIN)
        assert following is not None
        assert following - first == timedelta(hours=1)
        first = following


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 fields"),
        ("0 0 10 * *", "5 fields"),
        ("0 0 10 * * MON", "both be given"),
        ("0 0 10 ? * ?", "not for both"),
        ("60 0 10 * * ?", "60 is not from 0 to 59"),
        ("0 0 10 32 * ?", "32 is not from 1 to 31"),
        ("0 0 10 ? * MOON", "'MOON' is neither"),
        ("0 0 10 ? * 0", "0 is not from 1 to 7"),
        ("0 0 10 ? * 2#6", "from 1 to 5"),
        ("0 0 10 ? * 2#3,4", "'#' goes with a single day"),
        ("0 0 10 L,3 * ?", "'L' and 'W' go with a single day"),
        ("0 0/0 10 * * ?", "the step must be"),
        ("0 0 10-x * * ?", "'X' is neither"),
        ("0 0 10, * * ?", "'' is neither"),
        ("0 0 ? * * ?", "'?' is neither"),
        ("0 0 10 * * ? 2030-2029", "runs backwards"),
        ("0 0 10 * * ? 1066", "is not from 1970"),
        ("0 0 -3 * * ?", "neither"),
    ],
)
def test_a_wrong_expression_is_refused_with_the_reason(text: str, says: str):
    with pytest.raises(InvalidCron) as refused:
        parse(text)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("trigger_id", "seconds", "hours"),
    [("hello", 22, 10), ("polygenelubricants", 8, 8), ("", 0, 0)],  # Java's hashes: 99162322, -2147483648, 0
)
def test_h_is_a_number_that_belongs_to_the_trigger(trigger_id: str, seconds: int, hours: int):
    cron = parse("H H H * * ?", trigger_id)
    assert (cron.seconds, cron.minutes, cron.hours) == ((seconds,), (seconds,), (hours,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 10 ? * MON", "at 10:00 on Monday"),
        ("0 0/5 * * * ?", "every 5 minutes"),
        ("0 0 * * * ?", "every hour"),
        ("* * * * * ?", "every second"),
        ("0 30 8,20 ? * MON-FRI", "at 08:30 and 20:30 on Monday, Tuesday, Wednesday, Thursday and Friday"),
        ("0 0 0 L 3 ?", "at 00:00 on the last day of the month in March"),
        ("0 15 9 ? * 6#3 2027", "at 09:15 on the third Friday of the month in 2027"),
        ("0 0 0 15W * ?", "at 00:00 on the weekday nearest to day 15 of the month"),
        ("0 0 0 1,15 * ?", "at 00:00 on day 1 and 15 of the month"),
    ],
)
def test_expressions_in_words(text: str, words: str):
    assert describe(parse(text)) == words


def field(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(numbers, st.integers(1, high - low)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.lists(numbers.map(str) | ranges | steps | st.just("*"), min_size=1, max_size=3).map(",".join)


def slow_numbers(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        head, _, step = item.partition("/")
        first, _, last = (f"{low}-{high}" if head == "*" else head).partition("-")
        end = int(last) if last else (high if step else int(first))
        found |= {n for n in range(low, high + 1) if int(first) <= n <= end and (n - int(first)) % int(step or 1) == 0}
    return found


days = st.one_of(
    st.tuples(field(1, 31), st.just("?")),
    st.tuples(st.just("?"), field(1, 7)),
)


@settings(max_examples=60, deadline=None)
@given(
    minutes=field(0, 59),
    hours=field(0, 23),
    days=days,
    months=field(1, 12),
    zone=st.sampled_from([UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("Africa/Lagos")]),
    start=st.datetimes(datetime(2027, 1, 1), datetime(2027, 12, 1)),
)
def test_next_is_what_looking_at_every_minute_finds(
    minutes: str, hours: str, days: tuple[str, str], months: str, zone: tzinfo, start: datetime
):
    cron = parse(f"0 {minutes} {hours} {days[0]} {months} {days[1]}")
    after = start.replace(tzinfo=UTC)
    wanted_minutes, wanted_hours = slow_numbers(minutes, 0, 59), slow_numbers(hours, 0, 23)
    wanted_months = slow_numbers(months, 1, 12)
    of_month = slow_numbers(days[0], 1, 31) if days[0] != "?" else None
    of_week = slow_numbers(days[1], 1, 7) if days[1] != "?" else None

    def is_fire(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        right_day = local.day in of_month if of_month is not None else local.isoweekday() % 7 + 1 in (of_week or ())
        right_time = local.minute in wanted_minutes and local.hour in wanted_hours
        return right_day and right_time and local.month in wanted_months

    found = cron.next_after(after, zone)
    minute = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    horizon = minute + timedelta(days=2)
    while minute < horizon and not is_fire(minute):
        minute += timedelta(minutes=1)
    if minute < horizon:
        assert found == minute
    else:
        assert found is None or (found >= horizon and is_fire(found))


@settings(max_examples=100, deadline=None)
@given(
    start=st.datetimes(datetime(2027, 3, 27), datetime(2027, 3, 30))
    | st.datetimes(datetime(2027, 10, 30), datetime(2027, 11, 2)),
    text=st.sampled_from(["0 0/7 * * * ?", "0 30 1-4 * * ?", "0 0 0 * * ?", "*/50 59 2 * * ?", "0 15 2,3 ? * SUN"]),
)
def test_fire_times_only_go_forward_around_a_change_of_the_clock(start: datetime, text: str):
    moment = start.replace(tzinfo=UTC)
    for _ in range(20):
        following = parse(text).next_after(moment, BERLIN)
        assert following is not None
        assert following > moment
        assert following - moment <= timedelta(days=8)
        moment = following


@settings(max_examples=100, deadline=None)
@given(year=st.integers(1970, 2199), month=st.integers(1, 12), day=st.integers(1, 31), nth=st.integers(1, 5))
def test_special_days_are_days_of_the_month(year: int, month: int, day: int, nth: int):
    for rule in (
        DaysOfMonth(nearest=day),
        DaysOfMonth(before_last=day - 1, last_weekday=True),
        DaysOfWeek(frozenset({day % 7 + 1}), nth=nth),
        DaysOfWeek(frozenset({day % 7 + 1}), last=True),
    ):
        found = rule.of(year, month)
        assert len(found) <= 1
        assert all(datetime(year, month, each) for each in found)
    assert all(datetime(year, month, each).weekday() < 5 for each in DaysOfMonth(nearest=day).of(year, month))


MINUTE = 60_000


def every_ten_minutes(after: int) -> int:
    return (after // (10 * MINUTE) + 1) * 10 * MINUTE


@pytest.mark.parametrize(
    ("late", "compensates", "fires_for"),
    [
        (0, False, 0),
        (59_000, False, 0),
        (2 * MINUTE, False, None),
        (2 * MINUTE, True, 0),
        (25 * MINUTE, True, 20 * MINUTE),
        (20 * MINUTE + 10_000, True, 10 * MINUTE),
        (600 * MINUTE + 40_000, True, 600 * MINUTE),
    ],
)
def test_a_fire_time_that_was_missed_is_made_up_for_only_when_asked(
    late: int, compensates: bool, fires_for: int | None
):
    due = 1000 * 10 * MINUTE
    rules = SchedulerSettings.model_validate({"compensationJob": {"enabled": compensates}})
    fire = decide(due, due + late, every_ten_minutes, rules)
    assert (None if fire.at is None else fire.at - due) == fires_for
    assert fire.next == every_ten_minutes(due + late)
