"""What is known of the clusters, how fresh it is, and how the accounts are."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # Bodies are `json`, not `jsonb`: they are given back as they came, and never searched in.
    op.execute(
        """
        CREATE TABLE resource (
            account text NOT NULL,
            api_group text NOT NULL,
            kind text NOT NULL CHECK (kind = lower(kind)),
            namespace text NOT NULL,
            name text NOT NULL,
            uid text NOT NULL,
            resource_version bigint NOT NULL,
            application text,
            cluster text,
            stack text,
            detail text,
            sequence bigint,
            owners text[] NOT NULL,
            body json,
            deleted boolean NOT NULL DEFAULT false,
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (account, api_group, kind, namespace, name),
            CHECK (deleted = (body IS NULL))
        );
        CREATE INDEX resource_application ON resource (lower(application), kind) WHERE NOT deleted;
        CREATE INDEX resource_kind ON resource (kind, account, namespace) WHERE NOT deleted;
        CREATE INDEX resource_uid ON resource (uid) WHERE NOT deleted;
        CREATE INDEX resource_owners ON resource USING gin (owners) WHERE NOT deleted;
        CREATE INDEX resource_deleted ON resource (updated_at) WHERE deleted;
        COMMENT ON TABLE resource IS
            'objects of the clusters; the newest resource_version wins, a deleted one stays for minutes to say so';

        CREATE TABLE watched_kind (
            account text NOT NULL,
            api_group text NOT NULL,
            kind text NOT NULL CHECK (kind = lower(kind)),
            namespace text NOT NULL,
            state text NOT NULL CHECK (state IN ('SYNCING', 'WATCHING', 'POLLING', 'FORBIDDEN', 'FAILING')),
            reason text NOT NULL DEFAULT '',
            synced_at timestamptz,
            PRIMARY KEY (account, api_group, kind, namespace)
        );
        COMMENT ON COLUMN watched_kind.namespace IS 'empty: all namespaces, or a kind without them';

        CREATE TABLE account_state (
            account text PRIMARY KEY,
            status text NOT NULL CHECK (status IN ('UP', 'DEGRADED', 'DOWN')),
            reason text NOT NULL DEFAULT '',
            fix text NOT NULL DEFAULT '',
            checked_at timestamptz,
            owner text NOT NULL,
            leased_until timestamptz NOT NULL
        );
        COMMENT ON COLUMN account_state.leased_until IS 'until then the account is watched by its owner';
        """
    )
