"""Which addresses may be called. Source: Orca's `UserConfiguredUrlRestrictions`."""

import httpx2
from kork import urls
from kork.urls import IpAddress, domain_of, ip_in, reason_against

from orca.patterns import matches_all
from orca.webhooks.settings import AllowedRequest, WebhookSettings, WebhookUrlRestrictions

_SECTION = "userConfiguredUrlRestrictions"


class ForbiddenAddress(ValueError):
    """The restrictions forbid this address; the message says which one and why."""

    exception_type = "IllegalArgumentException"


class UnknownHost(Exception):
    """A host name could not be resolved."""


def check_url(text: str, restrictions: WebhookUrlRestrictions) -> httpx2.URL:
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
    domain = domain_of(host, restrictions.excluded_domains)
    if domain is not None:
        rule = f"{_SECTION}.excludedDomains"
        raise ForbiddenAddress(f"Host not allowed {host}: domain '{domain}' is excluded ({rule}).")
    address = ip_in(host)
    if address is not None:
        if restrictions.reject_verbatim_ips:
            raise ForbiddenAddress(f"Verbatim IP addresses are not allowed: {text} ({_SECTION}.rejectVerbatimIps)")
        check_address(address, host, restrictions)
    return url


def check_address(address: IpAddress, host: str, restrictions: WebhookUrlRestrictions) -> None:
    """Refuse an IP address that the restrictions forbid, whatever name led to it. Raises `ForbiddenAddress`."""
    reason = reason_against(address, restrictions, _SECTION)
    if reason is not None:
        raise ForbiddenAddress(f"invalid address for {host}: {reason}")


def resolve(url: httpx2.URL, restrictions: WebhookUrlRestrictions) -> list[IpAddress]:
    """Give the IP addresses of a URL's host, IPv4 first, after checking all of them."""
    try:
        addresses = urls.resolve(url.host)
    except OSError as error:
        raise UnknownHost(f"the host '{url.host}' can't be resolved: {error}") from error
    for address in addresses:
        check_address(address, url.host, restrictions)
    return addresses


def allowing(method: str, url: httpx2.URL, settings: WebhookSettings) -> AllowedRequest | None:
    """Find the entry of `webhook.allowedRequests` that lets a request pass; `None` where the list is off.

    Raises `ForbiddenAddress` when none does. Source: Orca's `WebhookService`; unlike there, each redirect is
    looked up too, and a prefix never reaches into another host's name.
    """
    if not settings.allowed_requests_enabled:
        return None
    for allowed in settings.allowed_requests:
        if method in allowed.http_methods and _is_allowed(allowed, str(url)):
            return allowed
    raise ForbiddenAddress(f"http method '{method}', uri: '{url}' not allowed (webhook.allowedRequests)")


def _is_allowed(allowed: AllowedRequest, url: str) -> bool:
    if allowed.match_strategy == "STARTS_WITH":
        return is_under(url, allowed.url_prefix or "")
    return matches_all(allowed.url_pattern or "", url)


def is_under(url: str, prefix: str) -> bool:
    """Say whether an address begins with a prefix, on the same scheme, host and port."""
    try:
        given, wanted = httpx2.URL(url), httpx2.URL(prefix)
    except (httpx2.InvalidURL, ValueError):
        return False
    same = (given.scheme, given.host, given.port) == (wanted.scheme, wanted.host, wanted.port)
    plain = not given.userinfo or given.userinfo == wanted.userinfo
    return same and plain and given.raw_path.startswith(wanted.raw_path)
