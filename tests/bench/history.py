"""A long history of executions, written by Postgres itself.

The rows are those of pipelines that have run: their shape is that of a real execution, their sizes are those of
small ones. One of 200 applications has half of all executions.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString, cast

import psycopg

BIG_APPLICATION = "app-0"
_APPLICATIONS = 200
_PIPELINES = 20
_SPREAD_MS = 365 * 24 * 3600 * 1000
_STEP = 50_000

_EXECUTIONS = f"""
    INSERT INTO execution (id, type, application, name, pipeline_config_id, root_id, status, canceled, build_time,
        start_time, end_time, trigger, body)
    SELECT id, kind, application,
        CASE WHEN kind = 'PIPELINE' THEN 'pipeline ' || config END,
        CASE WHEN kind = 'PIPELINE' THEN application || '-' || config END,
        id, status, status = 'CANCELED', at, at + 10, at + 60000,
        json_build_object('type', trigger_type, 'user', 'someone@example.com', 'eventId', 'event-' || n,
            'parameters', json_build_object('version', n, 'environment', 'production'),
            'artifacts', json_build_array(json_build_object('type', 'docker/image',
                'name', 'registry.example.com/' || application, 'version', n::text,
                'reference', 'registry.example.com/' || application || ':' || n)),
            'payload', json_build_object('commit', md5(n::text), 'message', repeat(md5(n::text), 8))),
        json_build_object('authentication', json_build_object('user', 'someone@example.com'), 'origin', 'api')
    FROM (
        SELECT n, 'bench-' || lpad(n::text, 12, '0') AS id,
            'app-' || CASE WHEN n %% 2 = 0 THEN 0 ELSE n / 2 %% {_APPLICATIONS} END AS application,
            n / 7 %% {_PIPELINES} AS config,
            CASE WHEN n / 2 %% 10 = 9 THEN 'ORCHESTRATION' ELSE 'PIPELINE' END AS kind,
            CASE WHEN n %% 1000 = 500 THEN 'CANCELED' WHEN n %% 100 = 57 THEN 'TERMINAL' ELSE 'SUCCEEDED' END AS status,
            CASE WHEN n %% 5000 = 78 THEN 'git' WHEN n %% 3 = 0 THEN 'webhook' ELSE 'manual' END AS trigger_type,
            %(now)s::bigint - {_SPREAD_MS} + (n * ({_SPREAD_MS}::numeric / %(total)s))::bigint AS at
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
_STAGES = """
    INSERT INTO stage (execution_id, id, position, ref_id, type, name, status, start_time, end_time, requisites,
        context, outputs, tasks, rest)
    SELECT 'bench-' || lpad(n::text, 12, '0'), 'stage-' || n || '-' || s, s, s::text, 'deployManifest',
        'deploy ' || s, 'SUCCEEDED', %(now)s, %(now)s,
        CASE WHEN s > 1 THEN json_build_array((s - 1)::text) ELSE '[]'::json END,
        json_build_object('account', 'production', 'cloudProvider', 'kubernetes', 'manifests', json_build_array(
            json_build_object('kind', 'Deployment', 'metadata', json_build_object('name', 'web', 'labels',
                json_build_object('version', n)), 'spec', repeat(md5((n + s)::text), 20)))),
        json_build_object('manifestNamesByNamespace', json_build_object('default', json_build_array('deployment web'))),
        json_build_array(json_build_object('id', '1', 'name', 'deploy', 'status', 'SUCCEEDED',
            'implementing_class', 'com.netflix.spinnaker.orca.clouddriver.tasks.manifest.DeployManifestTask',
            'start_time', %(now)s, 'end_time', %(now)s, 'stage_start', true, 'stage_end', true, 'attempt', 1)),
        '{}'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n CROSS JOIN generate_series(1, 3) AS s
"""


@dataclass(frozen=True, slots=True)
class Size:
    """What a history takes on disk (bytes), and how long it took to write (s)."""

    tables: int
    indexes: int
    seconds: float


def write_history(url: str, executions: int) -> Size:
    """Write so many executions of three stages each, over the last year; then let Postgres gather its statistics."""
    started = time.monotonic()
    with psycopg.connect(url, autocommit=True, options="-c search_path=orca,public") as connection:
        connection.execute("SET synchronous_commit = off")
        row = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
        assert row is not None
        for first in range(0, executions, _STEP):
            last = min(first + _STEP, executions) - 1
            values = {"first": first, "last": last, "now": row[0], "total": executions}
            connection.execute(cast(LiteralString, _EXECUTIONS), values)
            connection.execute(_STAGES, values)
        connection.execute("VACUUM (ANALYZE) execution, stage")
        sizes = connection.execute(
            "SELECT sum(pg_table_size(name)), sum(pg_indexes_size(name))"
            " FROM unnest(ARRAY['execution', 'stage']::regclass[]) AS name"
        ).fetchone()
        assert sizes is not None
    return Size(int(sizes[0]), int(sizes[1]), time.monotonic() - started)


def searches(executions: int) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """The lists and searches that a long history must not slow down: a name, the service, the path, parameters."""
    of_app, of_all = f"/applications/{BIG_APPLICATION}/executions/search", "/applications/*/executions/search"
    pipelines, tasks = f"/applications/{BIG_APPLICATION}/pipelines", f"/applications/{BIG_APPLICATION}/tasks"
    yield "list_25", "gate", of_app, {"size": "25"}
    yield "list_25_of_all", "gate", of_all, {"size": "25"}
    yield "page_40", "gate", of_app, {"size": "25", "startIndex": "1000"}
    yield "by_event", "gate", of_all, {"eventId": f"event-{executions // 3}"}
    yield "by_event_unknown", "gate", of_all, {"eventId": "no such event"}
    yield "by_status_rare", "gate", of_app, {"statuses": "CANCELED", "size": "25"}
    yield "by_status_rare_of_all", "gate", of_all, {"statuses": "CANCELED", "size": "25"}
    yield "by_status_running", "gate", of_all, {"statuses": "RUNNING", "size": "25"}
    yield "by_trigger_type_rare", "gate", of_app, {"triggerTypes": "git", "size": "25"}
    yield "by_trigger_type_unknown", "gate", of_app, {"triggerTypes": "pubsub", "size": "25"}
    yield "by_name", "gate", of_app, {"pipelineName": "pipeline 7", "size": "25"}
    yield "by_name_unknown", "gate", of_app, {"pipelineName": "no such pipeline", "size": "25"}
    yield "pipelines_of_application", "gate", pipelines, {"limit": "5", "expand": "false"}
    yield "running_of_application", "gate", pipelines, {"statuses": "RUNNING"}
    yield "executions_of_pipeline", "gate", "/executions", {"pipelineConfigIds": f"{BIG_APPLICATION}-7", "limit": "25"}
    yield "tasks_of_application", "gate", tasks, {"limit": "25"}
    yield "tasks_100", "orca", "/tasks", {"limit": "100"}
