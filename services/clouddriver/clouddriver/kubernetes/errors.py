"""What can go wrong with a cluster."""

from typing import Any


class KubernetesError(Exception):
    """An API server refused, or could not be asked.

    `status` is the HTTP status, 0 when there was no answer; `reason` is Kubernetes' own (`NotFound`, `Forbidden`,
    `Conflict`, `Invalid` …), or ours (`Unreachable`, `BadConfiguration`); `details` is the `Status` object sent.
    """

    def __init__(self, status: int, reason: str, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}

    @property
    def transient(self) -> bool:
        """Say whether the same request may succeed later, with nothing changed by us."""
        return self.status in (0, 408, 429) or self.status >= 500


class Unreachable(KubernetesError):
    """No answer came: no route, no listener, no trust, no time."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)


class BadConfiguration(KubernetesError):
    """The account's settings or kubeconfig can't be used; `fix` says what to change."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(0, "BadConfiguration", message)
        self.fix = fix

    @property
    def transient(self) -> bool:
        """A wrong configuration doesn't heal by asking again."""
        return False
