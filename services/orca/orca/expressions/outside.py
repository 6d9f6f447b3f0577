"""Expressions that ask others: how a pure engine evaluates a function that makes a call.

Orca calls front50 or a user's address in the middle of an evaluation. Here evaluations happen in the engine's
core, under the lock of the execution's row, where no call may be made. So an evaluation goes by one of four ways,
chosen by whoever starts it, for all evaluations within a block:

- `asking_later` (the engine): a text that calls such a function raises `Unanswered`; the stage stays where it is
  and is noted in `Advance.asks`, which becomes a claimed I/O task of a worker.
- `asking` (that worker, outside any lock): the core advances a copy of the execution; the texts of this one stage
  are evaluated with real calls, and what they became is remembered.
- `knowing` (the engine again, with that memory): a text is what it became. A text that nobody asked about is an
  error of its expression, so that a stage never asks twice in a row for nothing.
- `calling` (I/O tasks, endpoints): calls are made at once.

Whoever says nothing gets an error for such a text, never a call. What is remembered is the outcome of whole texts of
one stage, for one advance: a stage that is restarted, or a poll that evaluates again, asks again, as in Orca.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orca.stages.view import Services

T = TypeVar("T")


def _known() -> dict[str, Any]:
    return {}


@dataclass(slots=True)
class Answers:
    """What the texts of one stage became, by the text."""

    stage_id: str | None = None
    known: dict[str, Any] = field(default_factory=_known)


@dataclass(frozen=True, slots=True)
class _Way:
    services: Services | None = None
    later: bool = False
    answers: Answers | None = None


_NO_WAY = _Way()
_way: ContextVar[_Way] = ContextVar("orca_expressions_outside", default=_NO_WAY)


@contextmanager
def _going(way: _Way) -> Iterator[None]:
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)


def asking_later() -> AbstractContextManager[None]:
    """Let texts that ask others raise `Unanswered` within the block."""
    return _going(_Way(later=True))


def calling(services: Services) -> AbstractContextManager[None]:
    """Let functions make their calls within the block."""
    return _going(_Way(services=services))


def asking(stage_id: str, services: Services, answers: Answers) -> AbstractContextManager[None]:
    """Let functions in the texts of one stage make their calls within the block, and remember what came of it."""
    answers.stage_id = stage_id
    return _going(_Way(services=services, later=True, answers=answers))


def knowing(answers: Answers) -> AbstractContextManager[None]:
    """Take what is remembered of a stage's texts, within the block."""
    return _going(_Way(later=True, answers=answers))


def services_now() -> Services:
    """Give the services that functions may call now. Raises `ValueError` when there are none."""
    services = _way.get().services
    if services is None:
        raise ValueError("this function asks another service, which can't be done here")
    return services


def outcome_of(stage_id: str, text: str, evaluate: Callable[[], T]) -> T:
    """Give what a text that asks others becomes. Raises `Unanswered` when that is not known yet."""
    from orca.stages.definition import Unanswered

    way = _way.get()
    own = way.answers is not None and way.answers.stage_id == stage_id
    if way.later and not own:
        raise Unanswered(f"An expression has to ask other services first: {text:.200}")
    if own and way.answers is not None:
        if text in way.answers.known:
            return way.answers.known[text]
        if way.services is not None:
            way.answers.known[text] = evaluate()
            return way.answers.known[text]
    return evaluate()
