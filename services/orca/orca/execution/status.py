"""The status of an execution, a stage or a task, with the questions that the rules ask of it."""

from enum import StrEnum


class Status(StrEnum):
    """Spinnaker's execution statuses.

    `is_halt` ends the branch; `is_successful` and `is_failure` follow Orca's own sets, in which
    STOPPED belongs to both.
    """

    NOT_STARTED = "NOT_STARTED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    SUCCEEDED = "SUCCEEDED"
    FAILED_CONTINUE = "FAILED_CONTINUE"
    TERMINAL = "TERMINAL"
    CANCELED = "CANCELED"
    REDIRECT = "REDIRECT"
    STOPPED = "STOPPED"
    SKIPPED = "SKIPPED"
    BUFFERED = "BUFFERED"

    @property
    def is_complete(self) -> bool:
        """Nothing more will happen to what has this status."""
        return self in _COMPLETE

    @property
    def is_halt(self) -> bool:
        """What comes after it in the same branch won't run."""
        return self in _HALT

    @property
    def is_successful(self) -> bool:
        """It ended without a failure that counts (STOPPED included, as in Orca)."""
        return self in _SUCCESSFUL

    @property
    def is_failure(self) -> bool:
        """It ended by a failure, whether or not the execution goes on."""
        return self in _FAILURE

    @property
    def lets_next_start(self) -> bool:
        """What depends on it may start."""
        return self in _PASSED


_COMPLETE = frozenset(
    {
        Status.SUCCEEDED,
        Status.SKIPPED,
        Status.FAILED_CONTINUE,
        Status.STOPPED,
        Status.TERMINAL,
        Status.CANCELED,
    }
)
_HALT = frozenset({Status.STOPPED, Status.TERMINAL, Status.CANCELED})
_SUCCESSFUL = frozenset({Status.SUCCEEDED, Status.SKIPPED, Status.STOPPED})
_FAILURE = frozenset({Status.FAILED_CONTINUE, Status.STOPPED, Status.TERMINAL})
_PASSED = frozenset({Status.SUCCEEDED, Status.SKIPPED, Status.FAILED_CONTINUE})
