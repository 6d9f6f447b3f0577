"""Where the next fire times of cron triggers are kept."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from kork.clock import EpochMillis, now_ms
from kork.database import notify
from kork.documents import Document, write_json
from sqlalchemy import Connection, text

from echo.bells import SCHEDULE
from echo.schedule.quartz import InvalidCron, parse


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A cron trigger with its next fire time (ms), or None when it never fires again."""

    pipeline_id: str
    trigger_id: str
    trigger: Document
    timezone: str
    next_fire: EpochMillis | None


def next_fire(trigger: Document, timezone: str, after: EpochMillis) -> EpochMillis | None:
    """Give the first fire time (ms) of a cron trigger after `after` (ms), or None."""
    try:
        cron = parse(str(trigger.get("cronExpression")), str(trigger.get("id") or ""))
    except InvalidCron:
        return None
    moment = cron.next_after(datetime.fromtimestamp(after / 1000, UTC), ZoneInfo(timezone))
    return int(moment.timestamp()) * 1000 if moment else None


class ScheduleStore:
    """The schedule within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def replace(self, pipeline_id: str, triggers: list[Document], timezone: str) -> None:
        """Make these the cron triggers of a pipeline. One that didn't change keeps its next fire time."""
        rows = self._connection.execute(
            text("SELECT trigger_id, trigger, timezone FROM cron_trigger WHERE pipeline_id = :id"),
            {"id": pipeline_id},
        ).all()
        known = {row.trigger_id: (_said(row.trigger), row.timezone) for row in rows}
        wanted = {str(trigger.get("id") or n): trigger for n, trigger in enumerate(triggers)}
        for trigger_id in known.keys() - wanted.keys():
            self._connection.execute(
                text("DELETE FROM cron_trigger WHERE pipeline_id = :id AND trigger_id = :trigger"),
                {"id": pipeline_id, "trigger": trigger_id},
            )
        changed = {id: trigger for id, trigger in wanted.items() if known.get(id) != (_said(trigger), timezone)}
        for trigger_id, trigger in changed.items():
            self._connection.execute(
                text(
                    "INSERT INTO cron_trigger (pipeline_id, trigger_id, trigger, timezone, next_fire)"
                    " VALUES (:id, :trigger_id, CAST(:trigger AS json), :timezone, :next)"
                    " ON CONFLICT (pipeline_id, trigger_id) DO UPDATE SET trigger = excluded.trigger,"
                    " timezone = excluded.timezone, next_fire = excluded.next_fire"
                ),
                {
                    "id": pipeline_id,
                    "trigger_id": trigger_id,
                    "trigger": write_json(trigger).decode(),
                    "timezone": timezone,
                    "next": next_fire(trigger, timezone, now_ms()),
                },
            )
        if changed:
            notify(self._connection, SCHEDULE)

    def claim_due(self, now: EpochMillis, limit: int) -> list[Scheduled]:
        """Take triggers that are due; another process can't take them until this transaction ends."""
        rows = self._connection.execute(
            text(
                "SELECT pipeline_id, trigger_id, trigger, timezone, next_fire FROM cron_trigger"
                " WHERE next_fire <= :now ORDER BY next_fire LIMIT :limit FOR UPDATE SKIP LOCKED"
            ),
            {"now": now, "limit": limit},
        )
        return [Scheduled(*row) for row in rows]

    def fired(self, scheduled: Scheduled, at: EpochMillis | None, next: EpochMillis | None) -> None:
        """Note that a trigger fired for the time `at` (None: the time was missed) and when it is next due."""
        self._connection.execute(
            text(
                "UPDATE cron_trigger SET last_fire = COALESCE(:at, last_fire), next_fire = :next"
                " WHERE pipeline_id = :pipeline AND trigger_id = :trigger"
            ),
            {"pipeline": scheduled.pipeline_id, "trigger": scheduled.trigger_id, "at": at, "next": next},
        )

    def next_due(self) -> EpochMillis | None:
        """Say when the next trigger is due (ms), or None."""
        return self._connection.execute(text("SELECT min(next_fire) FROM cron_trigger")).scalar()

    def all(self) -> list[Scheduled]:
        """List all cron triggers."""
        rows = self._connection.execute(
            text(
                "SELECT pipeline_id, trigger_id, trigger, timezone, next_fire FROM cron_trigger"
                " ORDER BY pipeline_id, trigger_id"
            )
        )
        return [Scheduled(*row) for row in rows]


def _said(trigger: Document) -> bytes:
    return write_json(dict(sorted(trigger.items())))
