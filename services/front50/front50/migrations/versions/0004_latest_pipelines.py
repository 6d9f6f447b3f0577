"""What was saved since a moment: echo asks at each event."""

from alembic import op
from kork.migrations import add_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    add_index(op, "pipeline_updated", "pipeline (kind, updated_at) WHERE NOT deleted")
