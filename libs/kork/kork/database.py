"""Postgres: one database, a schema per service, migrations, and LISTEN/NOTIFY.

Access is synchronous (SQLAlchemy Core on psycopg 3). A service's tables are reached by the
connection's search path, so its SQL never names the schema.
"""

import asyncio
import math
import select
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import NullPool

from kork import migrations
from kork.background import end
from kork.settings import DatabaseSettings
from kork.telemetry import log

_log = log("kork.database")
_RESTED_SECONDS = 1.0
_RECONNECT_SECONDS = (0.1, 0.3, 1.0, 2.0)
_one_upgrade_at_a_time = threading.Lock()  # Alembic's `op` is one for the whole process


def is_outage(error: BaseException) -> bool:
    """Say whether `error` means that Postgres is away, rather than that a statement was wrong."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError)
    return isinstance(error, psycopg.OperationalError)


def _is_readable(descriptor: int) -> bool:
    """Say whether something came on an idle connection: a farewell, usually."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class Notification:
    """A NOTIFY that arrived: its channel and its payload."""

    __slots__ = ("channel", "payload")

    def __init__(self, channel: str, payload: str) -> None:
        self.channel = channel
        self.payload = payload


class Database:
    """A service's connections to its schema. Cheap to make: it connects when first used."""

    def __init__(self, settings: DatabaseSettings, schema: str) -> None:
        self.settings = settings
        self.schema = schema
        self.engine: Engine = self._engine(
            pool_size=settings.pool_size, max_overflow=settings.pool_size, pool_recycle=1800
        )
        event.listen(self.engine, "checkin", self._note_return)
        event.listen(self.engine, "checkout", self._check)

    def _engine(self, *, options: str = "", **pooling: Any) -> Engine:
        return create_engine(
            make_url(self.settings.url).set(drivername="postgresql+psycopg"),
            connect_args={
                "connect_timeout": self.settings.connect_timeout_seconds,
                "options": f"-c search_path={self.schema},public {options}",
                "application_name": f"gennaker-{self.schema}",
            },
            **pooling,
        )

    @staticmethod
    def _note_return(_: Any, record: Any) -> None:
        record.info["returned"] = time.monotonic()

    def _check(self, connection: Any, record: Any, _: Any) -> None:
        """Ask a connection whether it still lives, if it rested or if Postgres has said something meanwhile.

        One that was used just now and is silent is not asked: that would double the round trips of a short read.
        """
        rested = time.monotonic() - record.info.get("returned", math.inf) >= _RESTED_SECONDS
        if not rested and not _is_readable(connection.fileno()):
            return
        try:
            self.engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise DisconnectionError("Postgres has closed this connection.") from error

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction: committed at the end of the block, rolled back when it raises."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a connection for reading. There is no transaction: each statement sees what is committed then."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def check(self) -> None:
        """Raise when Postgres can't be asked."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def migrate(self, package: str | None = None, *, to: str = "head") -> None:
        """Bring the schema to a revision of `package`'s migrations: the newest, of the schema's name, by default.

        Safe when several instances start at once, and while others work (see `kork.migrations`).
        Returns at once when the schema is up to date, without importing Alembic.
        """
        package = package or self.schema
        folder = migrations.folder_of(package)
        with self.engine.connect() as connection:
            if migrations.recorded_revision(connection, self.schema) == migrations.newest_revision(folder):
                return
        engine = self._engine(poolclass=NullPool, options=f"-c lock_timeout={migrations.LOCK_TIMEOUT_MS}")
        with _one_upgrade_at_a_time:
            migrations.upgrade(engine, self.schema, folder, to)

    def is_migrated(self, package: str | None = None) -> bool:
        """Say whether the schema has all that `package`'s code needs; raises when Postgres is away."""
        newest = migrations.newest_revision(migrations.folder_of(package or self.schema))
        with self.engine.connect() as connection:
            recorded = migrations.recorded_revision(connection, self.schema)
        return newest is None or (recorded is not None and recorded >= newest)

    @asynccontextmanager
    async def listen(self, *channels: str) -> AsyncIterator["Inbox"]:
        """Listen to NOTIFY channels; the inbox reconnects by itself."""
        inbox = Inbox(self.settings.url, channels)
        task = asyncio.create_task(inbox.run(), name=f"listen:{self.schema}")
        try:
            yield inbox
        finally:
            await end(task)


class Inbox:
    """What arrives on NOTIFY channels.

    Iterating gives a `Notification`, or `None` after each (re)connection: something may have been
    missed, so look at the tables.
    """

    def __init__(self, url: str, channels: tuple[str, ...]) -> None:
        self._url = url
        self._channels = channels
        self._queue: asyncio.Queue[Notification | None] = asyncio.Queue(maxsize=10_000)

    def __aiter__(self) -> "Inbox":
        return self

    async def __anext__(self) -> Notification | None:
        return await self._queue.get()

    async def next(self, timeout: float | None) -> Notification | None:
        """Wait for the next notification; `None` when `timeout` (seconds) ran out or after a reconnection."""
        try:
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        except TimeoutError:
            return None

    def drain(self) -> list[Notification | None]:
        """Take everything that has arrived, without waiting: many bells may mean one look."""
        taken: list[Notification | None] = []
        while not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken

    async def run(self) -> None:
        """Receive until cancelled."""
        failures = 0
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5)
                async with connection:
                    for channel in self._channels:
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    self._put(None)
                    failures = 0
                    async for notify in connection.notifies():
                        self._put(Notification(notify.channel, notify.payload))
            except psycopg.Error as error:
                _log.debug("listen.lost", error=str(error))
            await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
            failures += 1

    def _put(self, item: Notification | None) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(item)


def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """Send a NOTIFY that goes out when the transaction commits."""
    connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})
