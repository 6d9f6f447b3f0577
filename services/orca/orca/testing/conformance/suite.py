"""Running cases against a platform: all at once, over HTTP, each looked at until it is as expected or can't be."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

import httpx2
from kork.testing.peers import Peer, Reply, Request, serve

from orca.execution.status import Status
from orca.testing.conformance.cases import Case, JsonObject, Step
from orca.testing.conformance.matching import differences

_PAUSE_SECONDS = 0.1
_SETTLES_SECONDS = 20.0
_PLACE = re.compile(r"\{\{([^{}]+)\}\}")
_BATCH = 50
_ANOTHER_DAY = timedelta(days=3)


class _Impossible(Exception):
    """The case can't go on; the text says why."""


@dataclass(slots=True)
class Outcome:
    """What was not as expected; empty when all was."""

    problems: list[str] = field(default_factory=list[str])


def run_cases(
    cases: Iterable[Case],
    orca: httpx2.Client,
    front50: httpx2.Client,
    *,
    timeout: float = 150,
    settles: float = _SETTLES_SECONDS,
) -> dict[str, Outcome]:
    """Run all cases at the same time; gives each one's outcome by its name, after `timeout` seconds at the latest.

    An execution that has ended gets `settles` seconds for what goes on after its end (clean-ups, other branches).
    """
    listed = list(cases)
    with _served(listed) as peer:
        runs = [_Run(case, orca, front50, peer, settles) for case in listed]
        deadline = time.monotonic() + timeout
        seen: dict[str, JsonObject] = {}
        while open_runs := [run for run in runs if not run.is_over]:
            for run in open_runs:
                run.look(seen)
                if time.monotonic() > deadline:
                    run.give_up()
            time.sleep(_PAUSE_SECONDS)
            seen = _read(orca, [id for run in open_runs if not run.is_over for id in run.names.values()])
        for run in runs:
            run.clean_up()
        return {run.case.name: run.outcome for run in runs}


def _read(orca: httpx2.Client, ids: list[str]) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for at in range(0, len(ids), _BATCH):
        part = ids[at : at + _BATCH]
        answer = orca.get("/pipelines", params={"executionIds": ",".join(part), "limit": len(part)})
        answer.raise_for_status()
        found |= {each["id"]: each for each in answer.json()}
    for id in ids:
        if id not in found:
            answer = orca.get(f"/tasks/{id}")
            if answer.status_code == 200:
                found[id] = answer.json()["execution"]
    return found


@contextmanager
def _served(cases: list[Case]) -> Iterator[Peer]:
    """Serve what the cases' servers answer, each below the name of its case; the last answer is repeated."""
    left = {f"/{case.name}{path}": list(replies) for case in cases for path, replies in case.server.items()}

    def reply(request: Request) -> Reply:
        replies = left.get(request.path)
        if not replies:
            return 404, {"message": f"the case's server has no {request.path}"}
        found = replies.pop(0) if len(replies) > 1 else replies[0]
        values = {"server": _address(peer, request.path.split("/")[1])}
        return found.status, _fill(found.body, values.__getitem__), _fill(found.headers, values.__getitem__)

    with serve(reply) as peer:
        yield peer


def _address(peer: Peer, case: str) -> str:
    return f"{peer.url.replace('127.0.0.1', 'localhost')}/{case}"


def _fill(value: Any, value_of: Callable[[str], Any]) -> Any:
    """Put in what the placeholders of a document stand for; a text that is one placeholder becomes its value."""
    if isinstance(value, dict):
        items = cast(JsonObject, value).items()
        return {_fill(key, value_of): _fill(each, value_of) for key, each in items}
    if isinstance(value, list):
        return [_fill(each, value_of) for each in cast(list[Any], value)]
    if not isinstance(value, str):
        return value
    if whole := _PLACE.fullmatch(value):
        return value_of(whole[1])
    return _PLACE.sub(lambda found: str(value_of(found[1])), value)


class _Run:
    """One case under way."""

    def __init__(self, case: Case, orca: httpx2.Client, front50: httpx2.Client, peer: Peer, settles: float) -> None:
        self.case = case
        self._settles = settles
        self.outcome = Outcome()
        self.names: dict[str, str] = {}
        self.is_over = False
        self._orca = orca
        self._peer = peer
        self._steps = case.all_steps()
        self._seen: dict[str, JsonObject] = {}
        self._waits_for: list[str] = []
        self._ended_at: float | None = None
        self._front50 = front50
        self._saved = False

    def look(self, seen: dict[str, JsonObject]) -> None:
        """Go as far as what was seen allows."""
        self._seen = {name: seen[id] for name, id in self.names.items() if id in seen}
        try:
            self._save()
            while self._steps:
                if not self._take(self._steps[0]):
                    return
                self._steps.pop(0)
            self._conclude()
        except _Impossible as error:
            self._end([str(error)])
        except Exception as error:
            self._end([f"{type(error).__name__}: {error}"])

    def give_up(self) -> None:
        """End the case as it stands."""
        if not self.is_over:
            self._end([f"not so in time ({len(self._steps)} steps are left): {each}" for each in self._waits_for])

    def clean_up(self) -> None:
        """Cancel what the case has left running."""
        for id in self.names.values():
            self._orca.put(f"/pipelines/{id}/cancel")

    def _end(self, problems: list[str]) -> None:
        self.outcome.problems = problems
        self.is_over = True

    def _save(self) -> None:
        if not self._saved:
            self._saved = True
            for pipeline in self.case.saved:
                body = {"application": "conformance", **self._filled(pipeline)}
                answer = self._front50.post("/pipelines", json=body)
                if answer.status_code != 200:
                    raise _Impossible(f"front50 does not save {pipeline.get('name')}: {answer.text}")

    # --- steps

    def _take(self, step: Step) -> bool:
        self._waits_for = self._unlike(step.when)
        if self._waits_for:
            return False
        if step.start is not None:
            self._start(step, step.start)
        elif step.find is not None:
            return self._find(step, step.find)
        elif step.do is not None:
            self._call(step, step.do)
        # What was seen is older than what the step has done.
        self._seen = {}
        return True

    def _start(self, step: Step, name: str) -> None:
        default = {"application": "conformance", "name": self.case.name}
        path = "/orchestrate" if step.pipeline is not None else "/ops"
        body = self._filled(default | step.pipeline if step.pipeline is not None else step.ops)
        answer = self._orca.post(path, json=body, headers={"X-SPINNAKER-USER": step.user})
        self._check_answer(step, answer, f"POST {path}")
        if answer.status_code == 200:
            self.names[name] = answer.json()["ref"].rsplit("/", 1)[-1]
        elif step.pipeline is not None and "executionId" in step.pipeline:
            self.names[name] = body["executionId"]

    def _find(self, step: Step, name: str) -> bool:
        if step.started_by is not None:
            run, _, ref = step.started_by.partition(".")
            stage = _by_ref(self._seen.get(run, {})).get(ref, {})
            found = stage.get("context", {}).get("executionId")
        else:
            params = {"pipelineConfigIds": self._filled(step.of_pipeline), "limit": 20, "expand": "false"}
            listed = self._orca.get("/pipelines", params=params).json()
            found = next((each["id"] for each in listed if each["id"] not in self.names.values()), None)
        if found:
            self.names[name] = found
        self._waits_for = [] if found else [f"{name}: nothing has started it"]
        return bool(found)

    def _call(self, step: Step, what: str) -> None:
        method, _, path = self._filled(what).partition(" ")
        options: JsonObject = {} if step.body is None else {"json": self._filled(step.body)}
        answer = self._orca.request(method, path, headers={"X-SPINNAKER-USER": step.user}, **options)
        self._check_answer(step, answer, f"{method} {path}")

    def _check_answer(self, step: Step, answer: httpx2.Response, what: str) -> None:
        if answer.status_code != step.answers:
            raise _Impossible(f"{what}: expected the status {step.answers}, found {answer.status_code}: {answer.text}")
        if step.answer is not None:
            found = answer.json() if answer.content else None
            unlike = differences(self._filled(step.answer), _viewed(step.answer, found), f"{what} answers")
            if unlike:
                raise _Impossible("; ".join(unlike))

    # --- the end

    def _conclude(self) -> None:
        waits = {name: each for name, each in self.case.expect.items() if not self._has_ended(name, each)}
        if waits:
            self._waits_for = [f"{name}: has not ended: {_stands(self._seen.get(name))}" for name in waits]
            return
        unlike = self._unlike(self.case.expect) + self._unlike_requests()
        self._waits_for = unlike
        self._ended_at = self._ended_at or time.monotonic()
        if not unlike or time.monotonic() > self._ended_at + self._settles:
            self._end(unlike)

    def _has_ended(self, name: str, expected: JsonObject) -> bool:
        status = self._seen.get(name, {}).get("status")
        wanted = expected.get("status")
        return status is not None and (Status(status).is_complete or status == wanted)

    def _unlike(self, expected: dict[str, JsonObject]) -> list[str]:
        told: list[str] = []
        for name, each in expected.items():
            execution = self._seen.get(name)
            if execution is None:
                told.append(f"{name}: not seen yet")
                continue
            wanted = self._filled({key: value for key, value in each.items() if key != "order"})
            told += differences(wanted, _viewed(each, execution), name)
            told += [f"{name}: {line}" for line in _disorder(each.get("order") or [], execution)]
        return told

    def _unlike_requests(self) -> list[str]:
        told: list[str] = []
        for path, expected in self.case.requests.items():
            asked = [each for each in self._peer.requests if each.path == f"/{self.case.name}{path}"]
            found = [
                {"method": each.method, "query": each.query, "headers": each.headers, "body": _json(each)}
                for each in asked
            ]
            told += differences(self._filled(expected), found, f"requests to {path}")
        return told

    # --- placeholders

    def _filled(self, value: Any) -> Any:
        """Put in what is known only now: `{{server}}`, `{{main}}` (an execution), `{{main.1}}` (its stage 1), …."""
        return _fill(value, self._value_of)

    def _value_of(self, text: str) -> Any:
        if text == "server":
            return _address(self._peer, self.case.name)
        if text == "case":
            return self.case.name
        if text == "another day":
            return (date.today() + _ANOTHER_DAY).isoweekday() % 7 + 1
        name, _, ref = text.partition(".")
        if name not in self.names:
            raise _Impossible(f"{text}: there is no execution named {name}")
        if not ref:
            return self.names[name]
        execution = self._seen.get(name) or _read(self._orca, [self.names[name]])[self.names[name]]
        stage = _by_ref(execution).get(ref)
        if stage is None:
            raise _Impossible(f"{text}: {name} has no stage {ref}")
        return stage["id"]


def _json(request: Request) -> Any:
    try:
        return request.json
    except ValueError:
        return request.content.decode()


def _by_ref(execution: JsonObject) -> dict[str, JsonObject]:
    return {stage["refId"]: stage for stage in execution.get("stages", ())}


def _viewed(expected: Any, found: Any) -> Any:
    """Show an execution as an expectation speaks of it: stages by refId, tasks as `name STATUS` where wanted so."""
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        return found
    wanted, execution = cast(JsonObject, expected), cast(JsonObject, found)
    if not isinstance(wanted.get("stages"), dict) and "refIds" not in wanted:
        return execution
    stages = _by_ref(execution)
    for ref, each in cast(JsonObject, wanted.get("stages") or {}).items():
        tasks: Any = cast(JsonObject, each).get("tasks") if isinstance(each, dict) else None
        if ref in stages and isinstance(tasks, list) and any(isinstance(task, str) for task in cast(list[Any], tasks)):
            shown = [f"{task['name']} {task['status']}" for task in stages[ref]["tasks"]]
            stages[ref] = stages[ref] | {"tasks": shown}
    return execution | {"stages": stages, "refIds": [stage["refId"] for stage in execution["stages"]]}


def _disorder(order: list[str], execution: JsonObject) -> Iterator[str]:
    """Check `a < b`: stage `a` has ended before `b` began."""
    stages = _by_ref(execution)
    for each in order:
        first, _, second = (part.strip() for part in each.partition(" < "))
        before, after = stages.get(first, {}).get("endTime"), stages.get(second, {}).get("startTime")
        if before is None or after is None or before > after:
            yield f"expected {each}, but {first} ended at {before} and {second} began at {after}"


def _stands(execution: JsonObject | None) -> str:
    if execution is None:
        return "not seen"
    stages = [f"{stage['refId']} {stage['status']}" for stage in execution["stages"]]
    return f"{execution['status']} ({', '.join(stages)})"
