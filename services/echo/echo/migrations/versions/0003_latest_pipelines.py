"""When the latest remembered change was: looked up at each event."""

from alembic import op
from kork.migrations import add_index

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    add_index(op, "pipeline_updated", "pipeline (updated_at)")
