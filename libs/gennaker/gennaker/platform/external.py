"""A Postgres or a Redis that the settings name, instead of an embedded one."""

import psycopg
from kork.settings import ServiceSettings
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url

from gennaker.exits import PlatformError

_TIMEOUT_SECONDS = 5


def check_external(name: str, settings: ServiceSettings) -> str:
    """Ask the server; give its address without the password, or raise `PlatformError` with the reason."""
    return check_postgres(settings.database.url) if name == "Postgres" else check_redis(settings.redis.url)


def check_postgres(url: str) -> str:
    """Ask a Postgres; give its address without the password. Raises `PlatformError`."""
    shown = without_password(url)
    try:
        with psycopg.connect(url, connect_timeout=_TIMEOUT_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise PlatformError(f"Postgres at {shown} (database.url) can't be used: {reason}") from error
    return shown


def check_redis(url: str) -> str:
    """Ask a Redis; give its address without the password. Raises `PlatformError`."""
    shown = without_password(url)
    try:
        with Redis.from_url(url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS) as client:
            client.ping()
    except (RedisError, OSError) as error:
        raise PlatformError(f"Redis at {shown} (redis.url) can't be used: {error}") from error
    return shown


def without_password(url: str) -> str:
    """Give an address with its password hidden."""
    return make_url(url).render_as_string(hide_password=True)
