"""Pipelines and their triggers, events, starts, the schedule, notifications, the consumer's memory."""

from alembic import op
from kork.bus import create_consumer_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Bodies are `json`, not `jsonb`: it keeps numbers as they were written.
    op.execute(
        """
        CREATE TABLE pipeline (
            id text PRIMARY KEY,
            application text NOT NULL,
            name text NOT NULL,
            body json NOT NULL,
            updated_at bigint NOT NULL,
            written_at bigint NOT NULL,
            deleted boolean NOT NULL DEFAULT false
        );
        CREATE INDEX pipeline_name ON pipeline (application, name) WHERE NOT deleted;
        COMMENT ON TABLE pipeline IS 'what echo remembers of front50; ids, applications and names in lower case';
        COMMENT ON COLUMN pipeline.updated_at IS 'front50''s updateTs (ms): an older version never overwrites a newer';

        CREATE TABLE pipeline_trigger (
            pipeline_id text NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
            position int NOT NULL,
            type text NOT NULL,
            key text NOT NULL,
            enabled boolean NOT NULL,
            PRIMARY KEY (pipeline_id, position)
        );
        CREATE INDEX pipeline_trigger_key ON pipeline_trigger (type, key) WHERE enabled;
        COMMENT ON TABLE pipeline_trigger IS 'where triggers are found: the body is triggers[position] of the pipeline';

        CREATE TABLE pipeline_refresh (
            id text PRIMARY KEY,
            changed_at bigint NOT NULL
        );
        COMMENT ON TABLE pipeline_refresh IS 'pipelines that front50 told a change of, to be read again';

        CREATE TABLE pipeline_load (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            loaded_at bigint NOT NULL
        );
        COMMENT ON TABLE pipeline_load IS 'a row once all pipelines have been read: before, events wait to be matched';

        CREATE TABLE event (
            id text PRIMARY KEY,
            type text NOT NULL,
            source text NOT NULL,
            delivery_id text,
            received_at bigint NOT NULL,
            door text NOT NULL CHECK (door IN ('webhook', 'event', 'bus')),
            request json,
            matched_at bigint
        );
        CREATE UNIQUE INDEX event_delivery ON event (type, source, delivery_id) WHERE delivery_id IS NOT NULL;
        CREATE INDEX event_unmatched ON event (received_at) WHERE matched_at IS NULL;
        CREATE INDEX event_age ON event (received_at);
        COMMENT ON COLUMN event.request IS 'the request, kept only until it is matched';

        CREATE TABLE start (
            execution_id text PRIMARY KEY,
            event_id text,
            pipeline_id text NOT NULL,
            application text NOT NULL,
            name text NOT NULL,
            trigger_type text NOT NULL,
            run_as json NOT NULL,
            body json,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'started', 'refused')),
            attempts int NOT NULL DEFAULT 0,
            failures int NOT NULL DEFAULT 0,
            due_at bigint NOT NULL,
            error text,
            refusal text,
            created_at bigint NOT NULL,
            finished_at bigint
        );
        CREATE INDEX start_due ON start (due_at) WHERE state = 'waiting';
        CREATE INDEX start_event ON start (event_id);
        CREATE INDEX start_age ON start (created_at);
        COMMENT ON TABLE start IS 'executions to be started in orca, each until it is started or refused for good';
        COMMENT ON COLUMN start.due_at IS 'when to try (again); while it is being tried, the end of the lease';
        COMMENT ON COLUMN start.body IS 'what orca is sent; forgotten when it is done';

        CREATE TABLE cron_trigger (
            pipeline_id text NOT NULL,
            trigger_id text NOT NULL,
            trigger json NOT NULL,
            timezone text NOT NULL,
            next_fire bigint,
            last_fire bigint,
            PRIMARY KEY (pipeline_id, trigger_id)
        );
        CREATE INDEX cron_trigger_next ON cron_trigger (next_fire) WHERE next_fire IS NOT NULL;

        CREATE TABLE notice (
            event_id text PRIMARY KEY,
            type text NOT NULL,
            payload json NOT NULL,
            attempts int NOT NULL DEFAULT 0,
            due_at bigint NOT NULL,
            created_at bigint NOT NULL
        );
        CREATE INDEX notice_due ON notice (due_at);
        COMMENT ON TABLE notice IS 'execution events whose receivers are still to be found out';

        CREATE TABLE delivery (
            id text PRIMARY KEY,
            sender text NOT NULL,
            address text NOT NULL,
            message json,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given_up')),
            attempts int NOT NULL DEFAULT 0,
            due_at bigint NOT NULL,
            error text,
            created_at bigint NOT NULL,
            finished_at bigint
        );
        CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'waiting';
        CREATE INDEX delivery_age ON delivery (created_at);
        COMMENT ON TABLE delivery IS 'notifications to be sent, each until it is sent or given up';
        """
    )
    create_consumer_tables(op)
