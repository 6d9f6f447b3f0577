"""What leads from a start back to the request that caused it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE start ADD COLUMN trail json;
        COMMENT ON COLUMN start.trail IS 'the id of the request that caused it, where its user is, the trace';
        """
    )
