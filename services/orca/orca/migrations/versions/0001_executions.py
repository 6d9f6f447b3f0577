"""Executions, their stages, what is due, what workers hold, who waits for a turn, correlations, outbox."""

from alembic import op
from kork.bus import create_outbox_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Free-form parts are `json`, not `jsonb`: it keeps numbers and texts as they were written, costs
    # Postgres less to take in and to give out, and nothing searches inside them on a hot path.
    op.execute(
        """
        CREATE TABLE execution (
            id text PRIMARY KEY,
            type text NOT NULL CHECK (type IN ('PIPELINE', 'ORCHESTRATION')),
            application text NOT NULL,
            name text,
            pipeline_config_id text,
            root_id text,
            status text NOT NULL,
            canceled boolean NOT NULL DEFAULT false,
            build_time bigint NOT NULL,
            start_time bigint,
            end_time bigint,
            trigger json NOT NULL,
            body json NOT NULL
        );
        COMMENT ON COLUMN execution.trigger IS
            'the trigger; a parent execution is kept as parentExecutionId and put in when it is read';
        COMMENT ON COLUMN execution.body IS 'all fields that have no column of their own';
        CREATE INDEX execution_of_pipeline ON execution (pipeline_config_id, build_time DESC)
            WHERE pipeline_config_id IS NOT NULL;
        CREATE INDEX execution_of_application ON execution (application, pipeline_config_id, build_time DESC);
        CREATE INDEX execution_recent ON execution (type, application, build_time DESC);
        CREATE INDEX execution_open ON execution (pipeline_config_id, status)
            WHERE status IN ('NOT_STARTED', 'RUNNING', 'PAUSED');

        CREATE TABLE stage (
            execution_id text NOT NULL REFERENCES execution ON DELETE CASCADE,
            id text NOT NULL,
            position double precision NOT NULL,
            ref_id text NOT NULL,
            type text NOT NULL,
            name text NOT NULL,
            status text NOT NULL,
            start_time bigint,
            end_time bigint,
            parent_id text,
            requisites json NOT NULL,
            context json NOT NULL,
            outputs json NOT NULL,
            tasks json NOT NULL,
            rest json NOT NULL,
            PRIMARY KEY (execution_id, id)
        ) WITH (fillfactor = 70);
        COMMENT ON COLUMN stage.rest IS 'the fields that few stages have';

        CREATE TABLE due (
            execution_id text PRIMARY KEY REFERENCES execution ON DELETE CASCADE,
            due_at bigint NOT NULL,
            rings integer NOT NULL DEFAULT 0
        );
        CREATE INDEX due_at ON due (due_at);
        COMMENT ON TABLE due IS
            'when an execution has to be looked at; rings: how often its bell was rung since the last look';

        CREATE TABLE io_task (
            execution_id text NOT NULL REFERENCES execution ON DELETE CASCADE,
            stage_id text NOT NULL,
            task_id text NOT NULL,
            attempt integer NOT NULL,
            owner text,
            lease_until bigint NOT NULL,
            rings integer NOT NULL DEFAULT 0,
            PRIMARY KEY (execution_id, stage_id, task_id)
        );
        CREATE INDEX io_task_lease ON io_task (lease_until);
        COMMENT ON TABLE io_task IS
            'tasks that a worker runs (owner) or has to take (no owner); task_id "cancel" is a stage''s clean-up';
        COMMENT ON COLUMN io_task.lease_until IS
            'with an owner: when it counts as dead; without: when the bell is rung again';

        CREATE TABLE waiting (
            execution_id text PRIMARY KEY REFERENCES execution ON DELETE CASCADE,
            pipeline_config_id text NOT NULL,
            since bigint NOT NULL,
            superseded boolean NOT NULL DEFAULT false
        );
        CREATE INDEX waiting_for ON waiting (pipeline_config_id, since, execution_id);
        COMMENT ON TABLE waiting IS 'executions that wait until others of their pipeline have ended';

        CREATE TABLE correlation (
            id text PRIMARY KEY,
            execution_id text NOT NULL REFERENCES execution ON DELETE CASCADE
        );
        CREATE INDEX correlation_of ON correlation (execution_id);
        """
    )
    op.execute(
        """
        DO $$
        DECLARE col record;
        BEGIN
            IF EXISTS (SELECT 1 FROM pg_settings
                       WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)) THEN
                FOR col IN SELECT * FROM (VALUES
                    ('execution', 'trigger'), ('execution', 'body'), ('stage', 'context'),
                    ('stage', 'outputs'), ('stage', 'tasks')) AS c (tab, name)
                LOOP
                    EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET COMPRESSION lz4', col.tab, col.name);
                END LOOP;
            END IF;
        END
        $$
        """
    )
    create_outbox_tables(op)
