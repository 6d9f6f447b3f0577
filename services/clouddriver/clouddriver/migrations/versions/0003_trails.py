"""What leads from an operation back to the request that began it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE operation ADD COLUMN trail json;
        COMMENT ON COLUMN operation.trail IS 'the id of the request that began it, its execution, the trace';
        """
    )
