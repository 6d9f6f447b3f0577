"""Operations: what was asked for, who works on it, what was decided, how far it is."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE operation (
            id text PRIMARY KEY,
            request_id text NOT NULL UNIQUE,
            provider text NOT NULL,
            body json,
            state text NOT NULL DEFAULT 'STARTED' CHECK (state IN ('STARTED', 'COMPLETED', 'FAILED')),
            requested_by text NOT NULL,
            owner text,
            attempt integer NOT NULL DEFAULT 0,
            leased_until timestamptz,
            due_at timestamptz,
            results json NOT NULL DEFAULT '[]',
            started_at bigint NOT NULL,
            ended_at bigint,
            CHECK ((state = 'STARTED') = (ended_at IS NULL))
        );
        CREATE INDEX operation_due ON operation (due_at) WHERE state = 'STARTED';
        CREATE INDEX operation_ended ON operation (ended_at) WHERE state <> 'STARTED';
        COMMENT ON COLUMN operation.request_id IS 'the key that makes it happen once';
        COMMENT ON COLUMN operation.body IS 'may hold secrets, so it is forgotten when the operation ends';
        COMMENT ON COLUMN operation.attempt IS 'counts claims: a worker with another number has lost its lease';
        COMMENT ON COLUMN operation.due_at IS 'when the bell is rung (again) unless the lease is renewed';

        CREATE TABLE operation_step (
            operation_id text NOT NULL REFERENCES operation ON DELETE CASCADE,
            position integer NOT NULL,
            decision json,
            done boolean NOT NULL DEFAULT false,
            result json,
            PRIMARY KEY (operation_id, position)
        );
        COMMENT ON COLUMN operation_step.decision IS
            'what was decided before anything was changed, so that a repetition changes the same';

        CREATE TABLE operation_progress (
            operation_id text NOT NULL REFERENCES operation ON DELETE CASCADE,
            seq bigint GENERATED ALWAYS AS IDENTITY,
            phase text NOT NULL,
            status text NOT NULL,
            at bigint NOT NULL,
            PRIMARY KEY (operation_id, seq)
        );

        CREATE TABLE promised_version (
            account text NOT NULL,
            namespace text NOT NULL,
            kind text NOT NULL,
            name text NOT NULL,
            sequence integer NOT NULL,
            content text NOT NULL,
            operation_id text NOT NULL REFERENCES operation ON DELETE CASCADE,
            PRIMARY KEY (account, namespace, kind, name, sequence, operation_id)
        );
        CREATE INDEX promised_version_operation ON promised_version (operation_id);
        COMMENT ON TABLE promised_version IS 'versions that running operations are about to create or to use';
        """
    )
