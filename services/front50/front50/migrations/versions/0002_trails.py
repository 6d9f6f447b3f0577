"""What leads from an event back to the request that caused it."""

from alembic import op
from kork.bus import add_trails

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_trails(op)
