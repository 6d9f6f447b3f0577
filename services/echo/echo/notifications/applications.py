"""The receivers that applications have of their own, as front50 keeps them; a few seconds old at most."""

from urllib.parse import quote

from kork.clock import EpochMillis, now_ms
from kork.documents import Document, object_in
from kork.errors import UpstreamError
from kork.http import ServiceClient
from kork.telemetry import log

_log = log("echo.notifications")
_KEPT_MS = 5_000
_MOST_KEPT = 1_000


class ApplicationReceivers:
    """Asks front50 for an application's receivers, and remembers the answer for a moment."""

    def __init__(self, front50: ServiceClient) -> None:
        self._front50 = front50
        self._kept: dict[str, tuple[EpochMillis, Document]] = {}

    def remembered(self, application: str) -> Document | None:
        """Give what was read within the last seconds, or None."""
        read_at, document = self._kept.get(application, (0, None))
        return document if now_ms() - read_at < _KEPT_MS else None

    async def find(self, application: str) -> Document | None:
        """Give an application's receivers; None while front50 doesn't answer."""
        known = self.remembered(application)
        if known is not None:
            return known
        try:
            answer = await self._front50.get(f"/notifications/application/{quote(application, safe='')}")
        except UpstreamError as error:
            _log.warning("notices.delayed", application=application, error=error.message)
            return None
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        document = object_in(answer)
        self._kept[application] = (now_ms(), document)
        return document
