"""Who we say we are to an API server; credentials that run out are fetched anew, once for all threads."""

import threading
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2 as httpx

from clouddriver.kubernetes.errors import BadConfiguration

_EARLY = timedelta(seconds=60)
_EARLY_SHARE = 0.2
_SOONEST = timedelta(seconds=5)

Basic = httpx.BasicAuth


class Bearer(httpx.Auth):
    """A token that stays."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request."""
        request.headers["Authorization"] = self._header
        yield request


class TokenFile(httpx.Auth):
    """A token in a file that is replaced before it runs out, as the kubelet does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request with what the file holds now."""
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise BadConfiguration(
                f"The token file {self._path} can't be read: {error.strerror}.", f"Put a token at {self._path}."
            ) from error
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


@dataclass(frozen=True, slots=True)
class Issued:
    """Credentials as they were issued. Without `token` they are a client certificate, which TLS presents."""

    token: str | None
    expires: datetime | None

    def renew_at(self, now: datetime) -> datetime | None:
        """Say when to ask for the next ones: a minute early, or a fifth of a life that is short.

        Never at once: by clocks that differ, fresh credentials look old.
        """
        if self.expires is None:
            return None
        return max(now + _SOONEST, self.expires - min(_EARLY, (self.expires - now) * _EARLY_SHARE))


class Renewed(httpx.Auth):
    """A token that somebody issues (a program, Google), kept until it runs out or is refused."""

    def __init__(self, issue: Callable[[], Issued]) -> None:
        self._issue = issue
        self._lock = threading.Lock()
        self._issued: Issued | None = None
        self._renew_at: datetime | None = None
        # Who waits for a program that hangs must not take the threads that others need.
        self._one_thread = anyio.CapacityLimiter(1)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request; fetch new credentials once when these are refused."""
        issued = self._current(None)
        self._sign(request, issued)
        response = yield request
        if response.status_code == 401:
            self._sign(request, self._current(issued))
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign a request; fetch new credentials once when these are refused."""
        issued = self._fresh() or await self._current_aside(None)
        self._sign(request, issued)
        response = yield request
        if response.status_code == 401:
            self._sign(request, await self._current_aside(issued))
            yield request

    async def _current_aside(self, refused: Issued | None) -> Issued:
        return await anyio.to_thread.run_sync(self._current, refused, limiter=self._one_thread, abandon_on_cancel=True)

    @staticmethod
    def _sign(request: httpx.Request, issued: Issued) -> None:
        if issued.token:
            request.headers["Authorization"] = f"Bearer {issued.token}"

    def _fresh(self) -> Issued | None:
        due = self._renew_at is not None and datetime.now(UTC) >= self._renew_at
        return None if due else self._issued

    def _current(self, refused: Issued | None) -> Issued:
        with self._lock:
            known = self._fresh()
            if known is None or known is refused:
                known = self._issued = self._issue()
                self._renew_at = known.renew_at(datetime.now(UTC))
            return known
