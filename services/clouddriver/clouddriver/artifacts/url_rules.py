"""Which addresses may be fetched on somebody's behalf. Pure.

Source: Clouddriver's `HttpUrlRestrictions`.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from clouddriver.artifacts.settings import UrlRestrictions

_HAS_DOMAIN = re.compile(r".*\..+")
_LOCAL = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class UrlRefused(Exception):
    """An address may not be fetched; the message says why."""


def require_allowed(url: str, rules: UrlRestrictions) -> str:
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
    if _within(host, rules.allowed_domains):
        return host
    if _address(host) is not None:
        if rules.reject_verbatim_ips:
            raise UrlRefused(f"'{url}' may not be fetched: name the host, not its address.")
        require_addresses_allowed(url, [host], rules)
        return host
    if rules.reject_localhost and host in _LOCAL:
        raise UrlRefused(f"'{url}' may not be fetched: the host is this machine itself.")
    if not _HAS_DOMAIN.fullmatch(host) or _within(host, rules.excluded_domains):
        raise UrlRefused(
            f"'{url}' may not be fetched: '{host}' is a local name. "
            "List its domain under 'urlRestrictions.allowedDomains' of the artifact account to allow it."
        )
    return host


def is_trusted(host: str, rules: UrlRestrictions) -> bool:
    """Say whether a host is allowed whatever its address is."""
    return _within(host, rules.allowed_domains)


def require_addresses_allowed(url: str, addresses: Iterable[str], rules: UrlRestrictions) -> None:
    """Check where a host's name leads. Raises `UrlRefused`."""
    for text in addresses:
        address = _address(text.partition("%")[0])
        if address is None:
            continue
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if rules.reject_localhost and (address.is_loopback or address.is_unspecified):
            raise UrlRefused(f"'{url}' may not be fetched: it leads to this machine itself ({text}).")
        if rules.reject_link_local and address.is_link_local:
            raise UrlRefused(f"'{url}' may not be fetched: it leads to a link-local address ({text}).")
        for network in rules.rejected_ips:
            if address in ip_network(network, strict=False):
                raise UrlRefused(f"'{url}' may not be fetched: it leads to {text}, which is in {network}.")


def _within(host: str, domains: Iterable[str]) -> bool:
    wanted = [domain.lower().strip(".") for domain in domains]
    return any(host == domain or host.endswith(f".{domain}") for domain in wanted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
