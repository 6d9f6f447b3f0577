"""Who sends a request: a chain of methods, of which the first that knows an answer decides."""

import ipaddress
from collections.abc import Callable, Sequence

from kork.errors import Unauthorized
from kork.identity import TOKEN_HEADER, Identity, Signer, read_identity
from kork.settings import SettingsError
from starlette.datastructures import Headers

from gate.settings import GateSettings

Method = Callable[[Headers], Identity | None]


def chain(methods: Sequence[Method]) -> Callable[[Headers], Identity]:
    """Ask each method in turn; raise `Unauthorized` when none knows who sends these headers."""

    def authenticate(headers: Headers) -> Identity:
        for method in methods:
            identity = method(headers)
            if identity is not None:
                return identity
        raise Unauthorized("This request says not who sends it. Log in, or send credentials.")

    return authenticate


def methods_of(settings: GateSettings, signer: Signer) -> list[Method]:
    """Give the methods that the settings ask for. Raises `SettingsError` for a door that would stand open."""
    host = settings.services.gate.host
    local = is_loopback(host)
    if not local and not settings.security.allow_anonymous:
        raise SettingsError(
            f"Gate would listen on {host} (services.gate.host) and let anyone in, since no authentication is set up. "
            "Set services.gate.host to 127.0.0.1, or security.allowAnonymous to true "
            "(GENNAKER_SECURITY__ALLOW_ANONYMOUS=true) where only people you trust can reach it."
        )
    return [signed(signer), anonymous(signer, trust_names=local)]


def signed(signer: Signer) -> Method:
    """Believe the token of another service of this platform."""

    def method(headers: Headers) -> Identity | None:
        return signer.verify(headers[TOKEN_HEADER]) if headers.get(TOKEN_HEADER) else None

    return method


def anonymous(signer: Signer, *, trust_names: bool) -> Method:
    """Let anyone in; as whom `X-SPINNAKER-USER` names where `trust_names` (this machine's loopback)."""

    def method(headers: Headers) -> Identity | None:
        return read_identity(headers, signer, accept_unsigned=True) if trust_names else Identity()

    return method


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
