"""What leads from an execution, and from an event, back to the request that began it."""

from alembic import op
from kork.bus import add_trails

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE execution ADD COLUMN trail json;
        COMMENT ON COLUMN execution.trail IS
            'the id of the request that started it, where its user is, the trace; never part of what is served';
        """
    )
    add_trails(op)
