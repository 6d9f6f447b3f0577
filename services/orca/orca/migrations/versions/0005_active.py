"""What has not ended is listed without a look at the history."""

from alembic import op
from kork.migrations import add_index

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    add_index(
        op,
        "execution_active",
        "execution (application, pipeline_config_id, build_time DESC)"
        " WHERE status IN ('NOT_STARTED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'BUFFERED', 'REDIRECT')",
    )
