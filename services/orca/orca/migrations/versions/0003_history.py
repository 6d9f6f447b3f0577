"""A long history: it is vacuumed in small steps, and what was archived may come back."""

from alembic import op

revision = "0003"
down_revision = "0002"

# A fifth of a table, Postgres' default, is a lot of dead rows in a long history.
_LONG = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"
# Few rows, each rewritten again and again: cleaned by count, and at full speed.
_BUSY = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE execution ADD COLUMN IF NOT EXISTS restored_at bigint;
        COMMENT ON COLUMN execution.restored_at IS
            'when it was brought back from an archive; retention counts from then';
        """
    )
    for table, parameters in {
        "execution": _LONG,
        "stage": _LONG,
        "due": _BUSY,
        "io_task": _BUSY,
        "waiting": _BUSY,
        "outbox": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000",
    }.items():
        op.execute(f"ALTER TABLE {table} SET ({parameters})")
