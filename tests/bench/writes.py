"""What Postgres writes: bytes of its log and transactions, read before and after a piece of work."""

import time
from dataclasses import dataclass

import psycopg

_STATISTICS_SECONDS = 11.0


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes of write-ahead log, and transactions that wrote."""

    bytes: int
    transactions: int

    def since(self, before: "Written") -> "Written":
        """Give what was written between two readings."""
        return Written(self.bytes - before.bytes, self.transactions - before.transactions)


class Writes:
    """Reads a server's counters."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def read(self) -> Written:
        """Read how far the log and the transactions' numbers are."""
        row = self._connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        ).fetchone()
        assert row is not None
        return Written(row[0], row[1])

    def all_transactions(self) -> int:
        """Read how many transactions there were, reading ones too; waits until the sessions have told of them."""
        time.sleep(_STATISTICS_SECONDS)
        row = self._connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def checkpoint(self) -> None:
        """Get a checkpoint over, so that none falls into what is measured."""
        self._connection.execute("CHECKPOINT")
