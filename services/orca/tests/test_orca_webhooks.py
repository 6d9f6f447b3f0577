"""The rules of webhooks: addresses, JSON paths, what answers mean."""

from ipaddress import ip_address
from typing import Any

import pytest
from orca.execution.status import Status
from orca.webhooks import jsonpaths
from orca.webhooks.addresses import ForbiddenAddress, UnknownHost, check_address, check_url, resolve
from orca.webhooks.client import Answer
from orca.webhooks.outcome import Unreadable, is_retried, progress, retries_left, status_url, words_of
from orca.webhooks.settings import WebhookSettings, WebhookUrlRestrictions, url_restrictions, webhook_settings
from pydantic import ValidationError

STRICT = WebhookUrlRestrictions()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:7999/webhook/a", "Verbatim IP addresses are not allowed"),
        ("http://[::1]/", "Host not allowed ::1"),
        ("http://localhost/x", "Host not allowed localhost"),
        ("https://gate.spinnaker/x", "domain 'spinnaker' is excluded"),
        ("https://x.INTERNAL./x", "domain 'internal' is excluded"),
        ("ftp://example.com/", "unsupported URI scheme"),
        ("file:///etc/passwd", "unsupported URI scheme"),
        ("/relative", "non absolute URI"),
        ("http://", "Unable to determine host"),
        ("http://exa mple.com:port/", "is no URL"),
        ("", "non absolute URI"),
    ],
)
def test_an_address_that_may_not_be_called_is_refused_with_the_rule(url: str, reason: str):
    with pytest.raises(ForbiddenAddress, match=reason.replace("[", r"\[")):
        check_url(url, STRICT)


def test_an_address_outside_may_be_called():
    assert check_url("https://hooks.example.com:8443/a?b=c", STRICT).host == "hooks.example.com"


@pytest.mark.parametrize(
    ("address", "restrictions", "allowed"),
    [
        ("127.0.0.1", {}, False),
        ("127.8.8.8", {}, False),
        ("::1", {}, False),
        ("0.0.0.0", {}, False),
        ("::ffff:127.0.0.1", {}, False),
        ("127.0.0.1", {"rejectLocalhost": False}, True),
        ("169.254.169.254", {}, False),
        ("fe80::1", {}, False),
        ("169.254.169.254", {"rejectLinkLocal": False}, True),
        ("10.1.2.3", {}, True),
        ("10.1.2.3", {"rejectedIps": ["10.0.0.0/8"]}, False),
        ("::ffff:10.1.2.3", {"rejectedIps": ["10.0.0.0/8"]}, False),
        ("93.184.216.34", {"rejectedIps": ["10.0.0.0/8", "fd00::/8"]}, True),
    ],
)
def test_an_address_that_a_name_leads_to_is_checked_too(address: str, restrictions: dict[str, Any], allowed: bool):
    rules = WebhookUrlRestrictions.model_validate(restrictions)
    if allowed:
        check_address(ip_address(address), "x.example.com", rules)
    else:
        with pytest.raises(ForbiddenAddress, match="invalid address for x"):
            check_address(ip_address(address), "x.example.com", rules)


def test_a_name_of_this_machine_is_refused_after_resolving_it():
    loose = WebhookUrlRestrictions(allowed_hostnames_regex="")
    with pytest.raises(ForbiddenAddress, match="rejectLocalhost"):
        resolve(check_url("http://localhost/", loose), loose)


def test_an_unknown_host_is_told():
    with pytest.raises(UnknownHost, match="no-such-host"):
        resolve(check_url("http://no-such-host.invalid/", STRICT), STRICT)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"allowedHostnamesRegex": "("}, "allowedHostnamesRegex"),
        ({"rejectedIps": ["10.0.0.0/64"]}, "rejectedIps"),
        ({"rejectLocalHost": True}, "rejectLocalHost"),
    ],
)
def test_wrong_restrictions_are_refused(section: dict[str, Any], field: str):
    with pytest.raises(ValidationError, match=field):
        WebhookUrlRestrictions.model_validate(section)


def test_settings_without_the_sections_have_the_defaults():
    assert webhook_settings(object()) == WebhookSettings()
    assert url_restrictions(None) == WebhookUrlRestrictions()


def answer(body: Any = None, status: int = 200, **headers: str) -> Answer:
    return Answer("https://x.example.com/a", status, headers, body)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a.b", 5),
        ("a.b", 5),
        ("$.l[0].n", "x1"),
        ("$.l[*].n", ["x1", "y2"]),
        ("$.l[?(@.n =~ /x.*/)].v", 1),
        ("$.l[?match(@.n, 'y.')].v", 2),
        ("$.l[?search(@.n, '2')].v", 2),
    ],
)
def test_a_json_path_leads_to_its_value(path: str, value: Any):
    document = {"a": {"b": 5}, "l": [{"n": "x1", "v": 1}, {"n": "y2", "v": 2}]}
    assert jsonpaths.read(path, document) == value


def test_a_json_path_can_not_run_away():
    with pytest.raises(jsonpaths.NotFound):
        jsonpaths.read("$.l[?search(@.n, '(a+)+$')]", {"l": [{"n": "a" * 50_000 + "b"}]})


@pytest.mark.parametrize(("path", "document"), [("$.x", {"a": 1}), ("$.a", "text"), ("$.a", None)])
def test_a_json_path_to_nowhere_is_told(path: str, document: Any):
    with pytest.raises(jsonpaths.NotFound):
        jsonpaths.read(path, document)


WORDS = {Status.SUCCEEDED: words_of("ok, Done"), Status.CANCELED: words_of("stopped"), Status.TERMINAL: words_of("bad")}


@pytest.mark.parametrize(
    ("value", "status", "shown"),
    [
        (100, Status.SUCCEEDED, {"percentComplete": 100}),
        (42.5, Status.RUNNING, {"percentComplete": 42.5}),
        ("done", Status.SUCCEEDED, {"resolvedValue": "done"}),
        ("OK", Status.SUCCEEDED, {"resolvedValue": "OK"}),
        ("Stopped", Status.CANCELED, {"resolvedValue": "Stopped"}),
        ("bad", Status.TERMINAL, {"resolvedValue": "bad"}),
        ("other", Status.RUNNING, {"resolvedValue": "other"}),
        (True, Status.RUNNING, {"resolvedValue": "true"}),
    ],
)
def test_a_reported_status_has_a_meaning(value: Any, status: Status, shown: dict[str, Any]):
    assert progress(answer({"s": value}), "$.s", WORDS) == (status, shown)


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({}, "$.s", "JSON property '$.s' not found in response body"),
        ("text", "$.s", "not found in response body"),
        ({"s": [1, 2]}, "$.s", "did not resolve to a single value"),
        ({"s": {}}, "$.s", "did not resolve to a single value"),
        ({"s": None}, "$.s", "did not resolve to a single value"),
        ({"s": 1}, "$.[", "is no JSON path"),
    ],
)
def test_an_answer_without_a_readable_status_is_told(body: Any, path: str, message: str):
    with pytest.raises(Unreadable) as caught:
        progress(answer(body), path, WORDS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "resolution", "path", "url"),
    [
        (answer(), None, None, "http://x.example.com/start"),
        (answer(), "getMethod", None, "http://x.example.com/start"),
        (answer(Location="/status/1"), "locationHeader", None, "http://x.example.com/status/1"),
        (answer(location="https://x.example.com/s"), "locationHeader", None, "http://x.example.com/s"),
        (answer(location="https://y.example.com/s"), "locationHeader", None, "https://y.example.com/s"),
        (answer(), "locationHeader", None, None),
        (answer({"u": "https://y.example.com/s"}), "webhookResponse", "$.u", "https://y.example.com/s"),
        (answer({"u": 7}), "webhookResponse", "$.u", None),
        (answer({}), "webhookResponse", "$.u", None),
        (answer({}), "webhookResponse", "$.[", None),
        (answer("text"), "webhookResponse", "$.u", None),
    ],
)
def test_the_status_url_is_found(given: Answer, resolution: str | None, path: str | None, url: str | None):
    assert status_url(given, "http://x.example.com/start", resolution, path) == url


@pytest.mark.parametrize(
    ("status", "codes", "again"), [(500, (), True), (503, (), True), (429, (429,), True), (404, (429,), False)]
)
def test_errors_that_may_pass_are_retried(status: int, codes: Any, again: bool):
    assert is_retried(status, codes) is again


@pytest.mark.parametrize(
    ("retries", "past", "left"),
    [
        (None, [404], None),
        ({"500": {"maxAttempts": 2}}, [404], None),
        ({"404": {"maxAttempts": 2}}, [200, 404, 404], True),
        ({"404": {"maxAttempts": 2}}, [404, 404, 404], False),
        ({"404": {}}, [404], True),
        ({"404": 3}, [404], None),
    ],
)
def test_retries_of_a_status_are_counted(retries: Any, past: list[int], left: bool | None):
    assert retries_left(404, retries, past) is left


@pytest.mark.parametrize(
    ("status", "name"), [(200, "OK"), (404, "NOT_FOUND"), (413, "PAYLOAD_TOO_LARGE"), (799, "799")]
)
def test_a_status_has_springs_name(status: int, name: str):
    assert answer(status=status).status_name == name


def test_an_excerpt_is_short():
    assert len(answer("x" * 1000).excerpt) == 301
    assert answer({"a": 1}).excerpt == '{"a":1}'
    assert answer().excerpt == "an empty body"
