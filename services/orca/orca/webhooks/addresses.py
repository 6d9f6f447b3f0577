"""Which addresses may be called. Source: Orca's `UserConfiguredUrlRestrictions`."""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

import httpx2

from orca.patterns import matches_all
from orca.webhooks.settings import UrlRestrictions

_SECTION = "userConfiguredUrlRestrictions"


class ForbiddenAddress(ValueError):
    """The restrictions forbid this address; the message says which one and why."""

    exception_type = "IllegalArgumentException"


class UnknownHost(Exception):
    """A host name could not be resolved."""


def check_url(text: str, restrictions: UrlRestrictions) -> httpx2.URL:
    """Parse an address and check all that can be seen without DNS. Raises `ForbiddenAddress`."""
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ForbiddenAddress(f"'{text}' is no URL: {error}") from error
    if not url.scheme:
        raise ForbiddenAddress(f"non absolute URI {text}")
    if url.scheme.lower() not in restrictions.allowed_schemes:
        allowed = ", ".join(restrictions.allowed_schemes)
        raise ForbiddenAddress(f"unsupported URI scheme {text} (allowed are: {allowed})")
    host = url.host.rstrip(".").lower()
    if not host:
        raise ForbiddenAddress(f"Unable to determine host for the url provided {text}")
    pattern = restrictions.allowed_hostnames_regex
    if pattern and not matches_all(pattern, host):
        rule = f"{_SECTION}.allowedHostnamesRegex"
        raise ForbiddenAddress(f"Host not allowed {host}. Host must match {pattern} ({rule}).")
    for domain in restrictions.excluded_domains:
        if host == domain or host.endswith(f".{domain}"):
            rule = f"{_SECTION}.excludedDomains"
            raise ForbiddenAddress(f"Host not allowed {host}: domain '{domain}' is excluded ({rule}).")
    address = _address(host)
    if address is not None:
        if restrictions.reject_verbatim_ips:
            raise ForbiddenAddress(f"Verbatim IP addresses are not allowed: {text} ({_SECTION}.rejectVerbatimIps)")
        check_address(address, host, restrictions)
    return url


def check_address(address: IPv4Address | IPv6Address, host: str, restrictions: UrlRestrictions) -> None:
    """Refuse an IP address that the restrictions forbid, whatever name led to it. Raises `ForbiddenAddress`."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    if restrictions.reject_localhost and (address.is_loopback or address.is_unspecified):
        raise ForbiddenAddress(f"invalid address for {host}: it is this machine ({_SECTION}.rejectLocalhost)")
    if restrictions.reject_link_local and address.is_link_local:
        raise ForbiddenAddress(f"invalid address for {host}: it is link-local ({_SECTION}.rejectLinkLocal)")
    for network in restrictions.rejected_ips:
        if address in ipaddress.ip_network(network, strict=False):
            raise ForbiddenAddress(f"invalid address for {host}: it is in {network} ({_SECTION}.rejectedIps)")


def resolve(url: httpx2.URL, restrictions: UrlRestrictions) -> list[str]:
    """Give the IP addresses of a URL's host, IPv4 first, after checking all of them.

    Connecting to these, not to the name again, is what keeps a name from changing its mind.
    """
    host = url.host
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnknownHost(f"the host '{host}' can't be resolved: {error}") from error
    texts = dict.fromkeys(str(entry[4][0]) for entry in found)
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
    for address in addresses:
        check_address(address, host, restrictions)
    return [str(address) for address in sorted(addresses, key=lambda address: address.version)]


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
