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

    is_complete: bool
    """Nothing more will happen to what has this status."""
    is_halt: bool
    """What comes after it in the same branch won't run."""
    is_successful: bool
    """It ended without a failure that counts (STOPPED included, as in Orca)."""
    is_failure: bool
    """It ended by a failure, whether or not the execution goes on."""
    lets_next_start: bool
    """What depends on it may start."""

    def __init__(self, value: str) -> None:
        self.lets_next_start = value in ("SUCCEEDED", "SKIPPED", "FAILED_CONTINUE")
        self.is_halt = value in ("STOPPED", "TERMINAL", "CANCELED")
        self.is_complete = self.lets_next_start or self.is_halt
        self.is_successful = value in ("SUCCEEDED", "SKIPPED", "STOPPED")
        self.is_failure = value in ("FAILED_CONTINUE", "STOPPED", "TERMINAL")
