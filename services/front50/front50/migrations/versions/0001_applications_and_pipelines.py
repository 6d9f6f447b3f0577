"""Applications, permissions, pipelines, strategies, notifications, history, outbox."""

from alembic import op
from kork.bus import create_outbox_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Bodies are `json`, not `jsonb`: it keeps numbers as they were written (1e30 stays a float).
    op.execute(
        """
        CREATE TABLE application (
            id text PRIMARY KEY,
            body json NOT NULL,
            version bigint NOT NULL,
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            updated_by text NOT NULL,
            deleted boolean NOT NULL DEFAULT false
        );

        CREATE TABLE permission (
            id text PRIMARY KEY,
            body json NOT NULL,
            version bigint NOT NULL,
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            updated_by text NOT NULL
        );

        CREATE TABLE pipeline (
            kind text NOT NULL CHECK (kind IN ('pipeline', 'strategy')),
            id text NOT NULL,
            application text NOT NULL,
            name text NOT NULL,
            body json NOT NULL,
            triggered_by jsonb NOT NULL,
            version bigint NOT NULL,
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            updated_by text NOT NULL,
            deleted boolean NOT NULL DEFAULT false,
            PRIMARY KEY (kind, id)
        );
        CREATE UNIQUE INDEX pipeline_name ON pipeline (kind, application, name) WHERE NOT deleted;
        CREATE INDEX pipeline_triggered_by ON pipeline USING gin (triggered_by jsonb_path_ops)
            WHERE NOT deleted;
        COMMENT ON COLUMN pipeline.triggered_by IS
            'enabled pipeline triggers of an enabled pipeline: [{pipeline, status}], one per status';

        CREATE TABLE notification (
            id text PRIMARY KEY,
            body json NOT NULL,
            updated_at bigint NOT NULL,
            updated_by text NOT NULL
        );

        CREATE TABLE history (
            kind text NOT NULL,
            id text NOT NULL,
            version bigint NOT NULL,
            body json NOT NULL,
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            updated_by text NOT NULL,
            PRIMARY KEY (kind, id, version)
        );
        """
    )
    create_outbox_tables(op)
