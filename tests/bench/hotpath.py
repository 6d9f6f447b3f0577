"""The engine alone: executions advanced one after the other in this process, profiled where `PROFILE=1` is set."""

import cProfile
import io
import os
import pstats
import sys
import time
from collections.abc import Sequence
from typing import Any

from kork.clock import now_ms
from kork.database import Database
from kork.identity import Identity
from kork.ids import new_ulid
from kork.settings import DatabaseSettings
from orca.execution.driver import Driver
from orca.execution.store import ExecutionStore
from orca.expressions import PipelineExpressions
from orca.launching.configuration import make_pipeline
from orca.settings import OrcaSettings
from orca.stages.installed import catalogue_for

_SHOWN = 35


class NoBell:
    """Rings nobody."""

    def advance(self, execution_ids: Any) -> None:
        """Ring nobody."""

    def run(self, runs: Any) -> None:
        """Ring nobody."""


class Engine:
    """A driver on a database."""

    def __init__(self, url: str) -> None:
        settings = OrcaSettings.model_validate({"embedded": True, "database": {"url": url}})
        self._database = Database(DatabaseSettings(url=url), schema="orca")
        self._database.migrate()
        self._driver = Driver(self._database, settings, NoBell(), catalogue_for(settings), PipelineExpressions())

    def start(self, body: dict[str, Any], count: int) -> list[str]:
        """Store so many executions of a pipeline."""
        ids = [new_ulid() for _ in range(count)]
        for execution_id in ids:
            execution = make_pipeline(
                dict(body),
                {"type": "manual", "user": "bench", "parameters": {}},
                execution_id=execution_id,
                user=Identity("bench"),
                origin="api",
                now=now_ms(),
                new_id=new_ulid,
            )
            with self._database.begin() as connection:
                ExecutionStore(connection).insert(execution)
        return ids

    def advance(self, ids: Sequence[str]) -> tuple[float, float]:
        """Advance executions; gives the wall clock and the processor time that it took (s)."""
        profile = cProfile.Profile() if os.environ.get("PROFILE") == "1" else None
        wall, processor = time.perf_counter(), time.process_time()
        if profile:
            profile.enable()
        for each in ids:
            self._driver.advance(each)
        if profile:
            profile.disable()
        took = time.perf_counter() - wall, time.process_time() - processor
        if profile:
            _show(profile)
        return took

    def close(self) -> None:
        """Close the connections."""
        self._database.dispose()


def _show(profile: cProfile.Profile) -> None:

    text = io.StringIO()
    statistics = pstats.Stats(profile, stream=text)
    for order in ("tottime", "cumulative"):
        statistics.sort_stats(order).print_stats(_SHOWN)
    print(text.getvalue(), file=sys.stderr)
