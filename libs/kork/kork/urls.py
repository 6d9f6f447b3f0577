"""Addresses that users write: where requests on their behalf may go.

A name is resolved, what it leads to is checked, and the request goes to the address that was checked: a name
that changes its mind in between gains nothing.

Source of the rules: Orca's `UserConfiguredUrlRestrictions`, Clouddriver's `HttpUrlRestrictions`.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpx2
from pydantic import Field, field_validator

from kork.settings import Settings

IpAddress = IPv4Address | IPv6Address

_EXCLUDED = ("spinnaker", "local", "localdomain", "internal")


class UrlRestrictions(Settings):
    """Which addresses may be asked; the defaults keep requests away from this machine and its neighbours."""

    allowed_schemes: list[str] = Field(default_factory=lambda: ["http", "https"])
    excluded_domains: list[str] = Field(default_factory=lambda: list(_EXCLUDED))
    rejected_ips: list[str] = Field(default_factory=list[str], description="addresses and networks (CIDR)")
    reject_localhost: bool = True
    reject_link_local: bool = True
    reject_verbatim_ips: bool = True

    @field_validator("rejected_ips")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ip_network(network, strict=False)
        return networks


def domain_of(host: str, domains: Iterable[str]) -> str | None:
    """Find the domain that a host is, or is in."""
    host = host.lower().rstrip(".")
    wanted = [domain.lower().strip(".") for domain in domains]
    return next((domain for domain in wanted if host == domain or host.endswith(f".{domain}")), None)


def ip_in(host: str) -> IpAddress | None:
    """Give the IP address that a host is written as, or None when it is a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def reason_against(address: IpAddress, rules: UrlRestrictions, section: str) -> str | None:
    """Say why an IP address may not be asked, whatever name led to it; None when it may. `section` is where the
    rules stand in gennaker.yml."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    if rules.reject_localhost and (address.is_loopback or address.is_unspecified):
        return f"it leads to this machine itself, {address} ({section}.rejectLocalhost)"
    if rules.reject_link_local and address.is_link_local:
        return f"it leads to a link-local address, {address} ({section}.rejectLinkLocal)"
    for network in rules.rejected_ips:
        if address in ip_network(network, strict=False):
            return f"it leads to {address}, which is in {network} ({section}.rejectedIps)"
    return None


def resolve(host: str) -> list[IpAddress]:
    """Give the IP addresses of a host, IPv4 first. Raises `OSError` when there are none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"'{host}' is no host name") from error
    addresses = [ip_address(text.partition("%")[0]) for text in dict.fromkeys(str(each[4][0]) for each in found)]
    return sorted(addresses, key=lambda address: address.version)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A request's URL with an address in the place of the name, and what makes the other side see the name."""

    url: httpx2.URL
    headers: dict[str, str] = field(default_factory=dict[str, str])
    extensions: dict[str, Any] = field(default_factory=dict[str, Any])


def pinned(url: httpx2.URL, address: IpAddress) -> Pinned:
    """Have a request go to `address`: the host's name stays in the `Host` header and in the TLS handshake."""
    return Pinned(
        url.copy_with(host=str(address)),
        {"Host": url.netloc.decode("ascii")},
        {"sni_hostname": url.raw_host.decode("ascii")},
    )
