"""`gennaker doctor`: everything that the settings name, checked live."""

import fcntl
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import httpx2 as httpx
from kork.settings import ServiceSettings

from gennaker.platform import Configuration, Home, PlatformError
from gennaker.platform.external import check_postgres, check_redis, without_password
from gennaker.services import SERVICES

State = Literal["ok", "degraded", "broken"]
_MARKS: dict[str, tuple[str, str]] = {"ok": ("✓", "32"), "degraded": ("!", "33"), "broken": ("✗", "31")}
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do when it isn't well."""

    name: str
    state: State
    detail: str
    fix: str = ""


def examine(home: Path, config: Path | None) -> list[Finding]:
    """Check the settings and all that they name. Where a platform runs on `home`, its own settings are used."""
    configuration = _running_on(Home(home)) or Configuration(config)
    findings: list[Finding] = []
    try:
        settings = configuration.all_settings()
    except PlatformError as error:
        return [Finding("settings", "broken", fault, "correct the key") for fault in error.message.splitlines()]
    source = configuration.file or ("the platform that runs on " + str(home) if configuration.overrides else "defaults")
    findings.append(Finding("settings", "ok", str(source)))
    common = settings["gate"]
    checks: list[Callable[[], list[Finding]]] = [
        lambda: [_server("database", check_postgres, common.database.url)],
        lambda: [_server("redis", check_redis, common.redis.url)],
        lambda: _schemas(settings),
        *(lambda name=service.name: _service(name, common) for service in SERVICES),
        lambda: _accounts(common),
    ]
    with ThreadPoolExecutor(len(checks)) as threads:
        for found in threads.map(lambda check: check(), checks):
            findings += found
    return findings


def show_findings(findings: list[Finding], *, as_json: bool) -> None:
    """Print findings for a person or a script."""
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
        return
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark, code = _MARKS[finding.state]
        mark = f"\x1b[{code}m{mark}\x1b[0m" if sys.stdout.isatty() else mark
        print(f"{mark} {finding.name:<{width}}  {finding.detail}")
        if finding.fix:
            print(f"  {'':<{width}}  → {finding.fix}")
    broken = sum(finding.state == "broken" for finding in findings)
    print(f"{broken} of {len(findings)} broken." if broken else "All is well.")


def _running_on(home: Home) -> Configuration | None:
    """Give the settings of the platform that holds this home now."""
    file = home.run / "platform.json"
    try:
        with (home.path / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Configuration.load(file) if file.exists() else None
    except OSError:
        return None
    return None


def _server(name: str, check: Callable[[str], str], url: str) -> Finding:
    try:
        return Finding(name, "ok", check(url))
    except PlatformError as error:
        return Finding(name, "broken", error.message, "start it ('gennaker up' brings its own), or correct the address")


def _schemas(settings: dict[str, ServiceSettings]) -> list[Finding]:
    import psycopg

    def revisions() -> Iterator[Finding]:
        with psycopg.connect(settings["orca"].database.url, connect_timeout=5) as connection:
            for service in SERVICES:
                if not service.has_database:
                    continue
                table = f"{service.name}.alembic_version"
                found = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
                if found is None or found[0] is None:
                    fix = f"run 'python -m {service.name} migrate'"
                    yield Finding(f"schema {service.name}", "broken", "is not there", fix)

    try:
        missing = list(revisions())
    except psycopg.Error:
        return []
    return missing or [Finding("schemas", "ok", without_password(settings["orca"].database.url))]


def _service(name: str, settings: ServiceSettings) -> list[Finding]:
    url = getattr(settings.services, name).url()
    try:
        answer = httpx.get(f"{url}/health", timeout=_TIMEOUT_SECONDS)
        body: Any = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        fix = f"start it ('gennaker up', or 'python -m {name} api'), or correct services.{name}"
        return [Finding(name, "broken", f"{url} can't be asked: {error}", fix)]
    parts = cast(dict[str, Any], body.get("components") or {})
    troubled = {part: state for part, state in parts.items() if state.get("status") != "UP"}
    told = ", ".join(f"{part} {state.get('status')}" for part, state in troubled.items())
    if answer.status_code >= 500:
        return [Finding(name, "broken", f"{url}: {told or body.get('status')}", "see its log")]
    return [Finding(name, "degraded" if troubled else "ok", f"{url}{': ' + told if told else ''}")]


def _accounts(settings: ServiceSettings) -> list[Finding]:
    """Ask clouddriver for its accounts; none when it can't be asked, which its own finding says."""
    url = settings.services.clouddriver.url()
    headers = {"X-SPINNAKER-USER": "anonymous"}
    if not settings.embedded:
        from kork.identity import Identity, Signer, identity_headers

        headers = identity_headers(Identity(admin=True), Signer(settings.identity.secret))
    try:
        answer = httpx.get(f"{url}/accounts/health", timeout=_TIMEOUT_SECONDS, headers=headers)
        accounts: Any = answer.json()
    except (httpx.HTTPError, ValueError):
        return []
    if answer.status_code >= 400:
        return [
            Finding("accounts", "broken", str(accounts.get("message")), "give doctor the services' identity.secret")
        ]
    if not accounts:
        return [Finding("accounts", "ok", "none are named; add some under kubernetes.accounts")]
    states: dict[str, State] = {"UP": "ok", "DEGRADED": "degraded"}
    return [
        Finding(
            f"account {account['name']}",
            states.get(account["status"], "broken"),
            f"{account['type']} {account['status']}{': ' + account['reason'] if account.get('reason') else ''}",
            account.get("fix") or "",
        )
        for account in accounts
    ]
