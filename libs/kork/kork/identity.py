"""Who is asking, carried from service to service and signed.

Gate authenticates; the others believe a signed token only. The token (a JWT, HS256, 60 s) travels in
`X-GENNAKER-IDENTITY` beside Spinnaker's own `X-SPINNAKER-USER` and `X-SPINNAKER-ACCOUNTS`, so that
reaching a service's port is not being an administrator. An embedded platform, which listens on
loopback only, also takes the unsigned headers.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from kork.errors import Unauthorized

USER_HEADER = "X-SPINNAKER-USER"
ACCOUNTS_HEADER = "X-SPINNAKER-ACCOUNTS"
TOKEN_HEADER = "X-GENNAKER-IDENTITY"
ANONYMOUS = "anonymous"
_LIFETIME_SECONDS = 60
_LEEWAY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or a service account: a name, the accounts it may use, its roles."""

    user: str = ANONYMOUS
    accounts: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    admin: bool = False

    @property
    def is_anonymous(self) -> bool:
        """Say whether nobody has authenticated."""
        return self.user == ANONYMOUS


_current: ContextVar[Identity | None] = ContextVar("identity", default=None)


def current_identity() -> Identity:
    """Give the identity on whose behalf this code runs; anonymous when none was set."""
    return _current.get() or Identity()


@contextmanager
def identity_context(identity: Identity) -> Iterator[None]:
    """Run a block on behalf of `identity`: calls to other services carry it."""
    token = _current.set(identity)
    try:
        yield
    finally:
        _current.reset(token)


class Signer:
    """Signs identities for other services and checks those that come in."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)
        self._cached: tuple[Identity, float, str] | None = None

    def sign(self, identity: Identity) -> str:
        """Make the token for `identity`; it is good for a minute."""
        now = time.time()
        cached = self._cached
        if cached is not None and cached[0] == identity and now - cached[1] < _LIFETIME_SECONDS / 4:
            return cached[2]
        claims: dict[str, Any] = {
            "sub": identity.user,
            "accounts": list(identity.accounts),
            "roles": list(identity.roles),
            "admin": identity.admin,
            "iat": int(now),
            "exp": int(now) + _LIFETIME_SECONDS,
        }
        token = jwt.encode({"alg": "HS256"}, claims, self._key)
        self._cached = (identity, now, token)
        return token

    def verify(self, token: str) -> Identity:
        """Read a token; raise `Unauthorized` when it is forged, foreign or expired."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            jwt.JWTClaimsRegistry(leeway=_LEEWAY_SECONDS, exp={"essential": True}).validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise Unauthorized(
                f"The signed identity in {TOKEN_HEADER} is not valid: {error}. "
                "Call through gate, or give every service the same identity.secret."
            ) from error
        claims = decoded.claims
        return Identity(
            user=str(claims["sub"]),
            accounts=tuple(claims.get("accounts", ())),
            roles=tuple(claims.get("roles", ())),
            admin=bool(claims.get("admin", False)),
        )


def identity_headers(identity: Identity, signer: Signer) -> dict[str, str]:
    """Give the headers that carry `identity` to another service."""
    return {
        USER_HEADER: identity.user,
        ACCOUNTS_HEADER: ",".join(identity.accounts),
        TOKEN_HEADER: signer.sign(identity),
    }


def read_identity(headers: Mapping[str, str], signer: Signer, *, accept_unsigned: bool) -> Identity:
    """Find out who sent these headers.

    A token decides when there is one. Without a token the sender is whom `X-SPINNAKER-USER` names where
    unsigned identities are accepted (an embedded platform), and is refused everywhere else.
    """
    token = headers.get(TOKEN_HEADER)
    if token:
        return signer.verify(token)
    if not accept_unsigned:
        raise Unauthorized(f"This service takes signed identities only ({TOKEN_HEADER}). Call through gate.")
    accounts = headers.get(ACCOUNTS_HEADER, "")
    return Identity(
        user=headers.get(USER_HEADER) or ANONYMOUS,
        accounts=tuple(account for account in accounts.split(",") if account),
    )
