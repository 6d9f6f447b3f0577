"""Lists and searches over a long history: all applications by time, failures, the event of a trigger."""

from alembic import op
from kork.migrations import add_index, drop_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    add_index(op, "execution_latest", "execution (type, build_time DESC, id DESC)")
    add_index(
        op,
        "execution_failed",
        "execution (type, build_time DESC, id DESC)"
        " WHERE status IN ('TERMINAL', 'CANCELED', 'STOPPED', 'FAILED_CONTINUE', 'SKIPPED')",
    )
    # What is filtered by comes last: the index is read in the order of time, and rows that don't match aren't.
    # It is cut, for a row of an index has a largest size, and users may write more.
    add_index(
        op,
        "execution_searched",
        "execution (type, application, build_time DESC, id DESC, left(name, 100), left(trigger->>'type', 50))",
    )
    add_index(op, "execution_of_event", "execution (left(trigger->>'eventId', 200))")
    drop_index(op, "execution_recent")
    # Until it has gathered what the indexes' expressions hold, Postgres doesn't see what they are good for.
    op.execute("ANALYZE execution")
