"""Say a cron expression in words."""

from calendar import day_name, month_name
from itertools import pairwise

from echo.schedule.quartz import CronExpression, DaysOfMonth, DaysOfWeek

_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def describe(cron: CronExpression) -> str:
    """Give words for an expression: `at 10:00 on Monday`, `every 5 minutes`."""
    parts = [_time(cron), _days(cron.days), _months(cron.months), _years(cron.years)]
    return " ".join(part for part in parts if part)


def _time(cron: CronExpression) -> str:
    if len(cron.seconds) * len(cron.minutes) * len(cron.hours) == 1:
        return f"at {_clock(cron.hours[0], cron.minutes[0], cron.seconds[0])}"
    if len(cron.seconds) == len(cron.minutes) == 1:
        minute, second = cron.minutes[0], cron.seconds[0]
        if len(cron.hours) <= 4:
            return "at " + _list([_clock(hour, minute, second) for hour in cron.hours])
        past = f" at {minute} minutes" if minute else ""
        return f"{_every(cron.hours, 24, 'hour')}{past}{_past_second(second)}"
    within = "" if len(cron.hours) == 24 else f" past {_every(cron.hours, 24, 'hour')}"
    if len(cron.seconds) == 1:
        return f"{_every(cron.minutes, 60, 'minute')}{_past_second(cron.seconds[0])}{within}"
    of_minutes = "" if len(cron.minutes) == 60 else f" of {_every(cron.minutes, 60, 'minute')}"
    return f"{_every(cron.seconds, 60, 'second')}{of_minutes}{within}"


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def _past_second(second: int) -> str:
    return f" at second {second}" if second else ""


def _every(values: tuple[int, ...], size: int, unit: str) -> str:
    if len(values) == size:
        return f"every {unit}"
    steps = {b - a for a, b in pairwise(values)}
    if len(steps) == 1 and (step := steps.pop()) > 1 and values[0] < step and values[-1] + step >= size:
        from_ = f" from {values[0]}" if values[0] else ""
        return f"every {step} {unit}s{from_}"
    return f"{unit} {_list([str(value) for value in values])}"


def _days(days: DaysOfMonth | DaysOfWeek) -> str:
    if isinstance(days, DaysOfWeek):
        names = [day_name[(day - 2) % 7] for day in sorted(days.numbers)]
        if days.last:
            return f"on the last {names[0]} of the month"
        if days.nth is not None:
            return f"on the {_ORDINALS[days.nth - 1]} {names[0]} of the month"
        return "" if len(names) == 7 else f"on {_list(names)}"
    if days.nearest is not None:
        return f"on the weekday nearest to day {days.nearest} of the month"
    if days.before_last is not None:
        before = f"{days.before_last} days before " if days.before_last else ""
        return f"on {before}the last {'weekday' if days.last_weekday else 'day'} of the month"
    return "" if len(days.numbers) == 31 else f"on day {_list([str(day) for day in sorted(days.numbers)])} of the month"


def _months(months: tuple[int, ...]) -> str:
    return "" if len(months) == 12 else f"in {_list([month_name[month] for month in months])}"


def _years(years: tuple[int, ...]) -> str:
    return "" if len(years) > 100 else f"in {_list([str(year) for year in years])}"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
