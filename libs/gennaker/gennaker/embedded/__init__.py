"""Postgres and Redis as children of this process: for `gennaker up`, and for tests against the real thing."""

from gennaker.embedded.postgres import EmbeddedPostgres
from gennaker.embedded.process import EmbeddedServerError
from gennaker.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServerError"]
