"""Errors as Spinnaker answers them.

Source of the body's shape: Spring's `/error` document as Gate, Orca and Front50 serve it
(`timestamp, status, error, message, exception`, and further keys such as `errors`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any


class SpinnakerError(Exception):
    """A failure that the caller is told about, with its HTTP status.

    `errors` lists the single faults (validation); `extra` keys are merged into the body.
    """

    status: int = 500
    exception: str = "com.netflix.spinnaker.kork.exceptions.SpinnakerException"

    def __init__(
        self,
        message: str,
        *,
        errors: list[str] | None = None,
        exception: str | None = None,
        status: int | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
        if exception is not None:
            self.exception = exception
        if status is not None:
            self.status = status

    def body(self) -> dict[str, Any]:
        """Give the JSON document that describes this error."""
        body = error_body(self.status, self.message, self.exception)
        if self.errors is not None:
            body["errors"] = self.errors
        return body | self.extra


class BadRequest(SpinnakerError):
    """400: what was sent can't be used; the message says which part and why."""

    status = 400
    exception = "com.netflix.spinnaker.kork.web.exceptions.InvalidRequestException"


class Unauthorized(SpinnakerError):
    """401: nobody, or nobody that can be believed, is asking."""

    status = 401
    exception = "org.springframework.security.authentication.BadCredentialsException"


class Forbidden(SpinnakerError):
    """403: the user is known and may not."""

    status = 403
    exception = "org.springframework.security.access.AccessDeniedException"

    def __init__(self, message: str = "Access is denied", **details: Any) -> None:
        super().__init__(message, **details)


class NotFound(SpinnakerError):
    """404: there is nothing of that name."""

    status = 404
    exception = "com.netflix.spinnaker.kork.web.exceptions.NotFoundException"


class MethodNotAllowed(SpinnakerError):
    """405: the thing exists, and this can't be done to it."""

    status = 405
    exception = "com.netflix.spinnaker.kork.exceptions.UserException"


class Conflict(SpinnakerError):
    """409: the thing changed since the caller read it, or is in a state that forbids the change."""

    status = 409
    exception = "com.netflix.spinnaker.kork.exceptions.UserException"


class PayloadTooLarge(SpinnakerError):
    """413: the body is longer than this service accepts."""

    status = 413
    exception = "org.springframework.web.multipart.MaxUploadSizeExceededException"


class Unavailable(SpinnakerError):
    """503: something that this service needs is away; the same call may work later."""

    status = 503
    exception = "com.netflix.spinnaker.kork.exceptions.IntegrationException"


class UpstreamError(SpinnakerError):
    """Another service answered with an error, or didn't answer (`status` 503, `network` true).

    `upstream_body` is the JSON that it sent, when it sent any; `upstream_message` its own words.
    """

    exception = "com.netflix.spinnaker.kork.retrofit.exceptions.SpinnakerHttpException"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        method: str,
        url: str,
        upstream_body: Any = None,
        upstream_message: str | None = None,
        network: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message, status=status, **details)
        self.method = method
        self.url = url
        self.upstream_body = upstream_body
        self.upstream_message = upstream_message if upstream_message is not None else message
        self.network = network


def error_body(status: int, message: str, exception: str | None = None) -> dict[str, Any]:
    """Build Spinnaker's error document; the timestamp is ISO 8601 with milliseconds, in UTC."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Error"
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+00:00",
        "status": status,
        "error": reason,
        "message": message,
    }
    if exception is not None:
        body["exception"] = exception
    return body
