"""How long an answer asks to be left alone. Pure. Source: RFC 9110, `Retry-After`."""

from datetime import UTC
from email.utils import parsedate_to_datetime

_LEAST_MS = 1_000
_MOST_MS = 3_600_000


def retry_at(header: str | None, now: int) -> int | None:
    """Give the moment (epoch ms) that a `Retry-After` header asks for: in a second at least, within the hour.

    `None` when there is none that can be understood; `now` in epoch ms.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        delay = int(text[:12]) * 1_000
    else:
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        delay = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000) - now
    return now + min(max(delay, _LEAST_MS), _MOST_MS)
