"""Accounts that are defined while the platform runs, and the sharing of all accounts among the caches."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE account_definition (
            change bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL,
            version integer NOT NULL,
            type text NOT NULL,
            body json,
            modified_at bigint NOT NULL,
            modified_by text NOT NULL,
            UNIQUE (name, version)
        );
        COMMENT ON TABLE account_definition IS 'all versions; the highest of a name is the one that counts';
        COMMENT ON COLUMN account_definition.body IS 'what is secret in it is sealed; NULL: the account was deleted';

        CREATE TABLE cache_member (
            owner text PRIMARY KEY,
            alive_until timestamptz NOT NULL
        );
        COMMENT ON TABLE cache_member IS 'the processes that share the accounts among them';

        CREATE SEQUENCE account_fence_number;
        CREATE TABLE account_fence (
            account text PRIMARY KEY,
            fence bigint NOT NULL DEFAULT nextval('account_fence_number')
        );
        COMMENT ON TABLE account_fence IS
            'a new number each time that somebody begins to watch; who writes under an older one is refused';
        """
    )
