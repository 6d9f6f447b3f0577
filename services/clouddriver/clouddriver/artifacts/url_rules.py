"""Which addresses may be fetched on somebody's behalf. Pure.

Source: Clouddriver's `HttpUrlRestrictions`.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from kork.urls import IpAddress, domain_of, ip_in, reason_against

from clouddriver.artifacts.settings import ArtifactUrlRestrictions

_SECTION = "urlRestrictions"
_HAS_DOMAIN = re.compile(r".*\..+")
_LOCAL = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class UrlRefused(Exception):
    """An address may not be fetched; the message says why."""


def require_allowed(url: str, rules: ArtifactUrlRestrictions) -> str:
    """Check an address by its text, and give its host. Raises `UrlRefused`."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
        _ = parts.port
    except ValueError as error:
        raise UrlRefused(f"'{url}' is not an address: {error}.") from error
    if parts.scheme.lower() not in rules.allowed_schemes:
        raise UrlRefused(f"'{url}' may not be fetched: its scheme is not one of {', '.join(rules.allowed_schemes)}.")
    if not host:
        raise UrlRefused(f"'{url}' has no host.")
    if is_trusted(host, rules):
        return host
    address = ip_in(host)
    if address is not None:
        if rules.reject_verbatim_ips:
            raise UrlRefused(f"'{url}' may not be fetched: name the host, not its address.")
        require_addresses_allowed(url, [address], rules)
        return host
    if rules.reject_localhost and host in _LOCAL:
        raise UrlRefused(f"'{url}' may not be fetched: the host is this machine itself.")
    if not _HAS_DOMAIN.fullmatch(host) or domain_of(host, rules.excluded_domains):
        raise UrlRefused(
            f"'{url}' may not be fetched: '{host}' is a local name. "
            "List its domain under 'urlRestrictions.allowedDomains' of the artifact account to allow it."
        )
    return host


def is_trusted(host: str, rules: ArtifactUrlRestrictions) -> bool:
    """Say whether a host is allowed whatever its address is."""
    return domain_of(host, rules.allowed_domains) is not None


def require_addresses_allowed(url: str, addresses: Iterable[IpAddress], rules: ArtifactUrlRestrictions) -> None:
    """Check where a host's name leads. Raises `UrlRefused`."""
    for address in addresses:
        reason = reason_against(address, rules, _SECTION)
        if reason is not None:
            raise UrlRefused(f"'{url}' may not be fetched: {reason}.")
