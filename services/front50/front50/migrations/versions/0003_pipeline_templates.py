"""Pipeline templates."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE pipeline_template (
            id text PRIMARY KEY,
            body json NOT NULL,
            version bigint NOT NULL,
            created_at bigint NOT NULL,
            updated_at bigint NOT NULL,
            updated_by text NOT NULL,
            deleted boolean NOT NULL DEFAULT false
        );
        COMMENT ON COLUMN pipeline_template.id IS
            'in lower case: the template''s id, id:tag, or id@sha256:digest; a save writes all that fit';
        """
    )
