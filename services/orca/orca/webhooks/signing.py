"""Signed requests, by the scheme of Standard Webhooks (https://www.standardwebhooks.com), which many receivers know.

`webhook-signature: v1,<base64>` is the HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>`; the id is the same
for a request that is sent again, so that a receiver does its work once, and the time lets it refuse an old one.
"""

import base64
import binascii
import hashlib
import hmac

from kork.secrets import is_reference, resolve

_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """Give the bytes of a signing secret: a reference is resolved, `whsec_…` is base64, anything else is text.

    Raises `SecretError` when a reference can't be resolved, `ValueError` for what is no base64.
    """
    text = resolve(secret).strip() if is_reference(secret) else secret
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a signing secret that begins with 'whsec_' must go on in base64") from error


def signed(key: bytes, id: str, at: int, content: bytes) -> dict[str, str]:
    """Give the headers that sign a request; `at` is the time in seconds since the epoch."""
    digest = hmac.new(key, f"{id}.{at}.".encode() + content, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
