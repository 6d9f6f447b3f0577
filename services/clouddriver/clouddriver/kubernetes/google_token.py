"""Tokens of a Google service account from its key file, for accounts with `oAuthServiceAccount`.

Source: Google's OAuth 2.0 for service accounts (RFC 7523: a signed JWT is exchanged for an access token).
"""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx2 as httpx

from clouddriver.kubernetes.authentication import Issued
from clouddriver.kubernetes.errors import BadConfiguration

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_LIFETIME_SECONDS = 3600
_TIMEOUT_SECONDS = 10.0


class GoogleServiceAccount:
    """Exchanges the key's signature for a token that is good for an hour. Raises `BadConfiguration`."""

    def __init__(self, key_file: Path, scopes: Sequence[str] = ()) -> None:
        self._key_file = key_file
        self._scopes = tuple(scopes) or _SCOPES

    def __call__(self) -> Issued:
        """Ask Google for a token."""
        key = self._key()
        now = int(time.time())
        claims = {
            "iss": key["client_email"],
            "scope": " ".join(self._scopes),
            "aud": key["token_uri"],
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
        }
        try:
            signed = _signed(claims, key)
            answer = httpx.post(
                key["token_uri"], data={"grant_type": _GRANT, "assertion": signed}, timeout=_TIMEOUT_SECONDS
            )
        except httpx.TransportError as error:
            raise self._failed(f"can't be exchanged at {key['token_uri']}: {error or type(error).__name__}") from error
        except ValueError as error:
            raise self._failed(f"holds no private key that can sign ({error})") from error
        body = _object(answer.text)
        token = body.get("access_token")
        if not answer.is_success or not isinstance(token, str):
            said = body.get("error_description") or body.get("error") or f"HTTP {answer.status_code}"
            raise self._failed(f"is refused by {key['token_uri']}: {said}")
        seconds: Any = body.get("expires_in")
        lifetime = timedelta(seconds=seconds if isinstance(seconds, int) else _LIFETIME_SECONDS)
        return Issued(token, datetime.now(UTC) + lifetime)

    def _key(self) -> dict[str, str]:
        try:
            key = _object(self._key_file.expanduser().read_text())
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not text"
            raise self._failed(f"can't be read: {said}") from error
        wanted = ("client_email", "private_key", "token_uri")
        if missing := [name for name in wanted if not isinstance(key.get(name), str)]:
            raise self._failed(f"is no key of a service account: it has no '{missing[0]}'")
        return {name: str(value) for name, value in key.items()}

    def _failed(self, what: str) -> BadConfiguration:
        return BadConfiguration(
            f"The Google service account key {self._key_file} {what}.",
            "Make a new key of the service account, put it there, and give the account the Kubernetes roles it needs.",
        )


def _signed(claims: dict[str, Any], key: dict[str, str]) -> str:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    try:
        return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(key["private_key"]))
    except JoseError as error:
        raise ValueError(str(error)) from error


def _object(text: str) -> dict[str, Any]:
    try:
        document: Any = json.loads(text)
    except ValueError:
        return {}
    return cast(dict[str, Any], document) if isinstance(document, dict) else {}
