"""What the `gennaker` command ends with, so that scripts can decide on it."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of `gennaker`. They are part of its interface; a number never changes its meaning."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    REFUSED = 5
    CANNOT_START = 6
    STILL_RUNNING = 7
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done; the execution SUCCEEDED",
    Exit.FAILED: "the execution ended otherwise than SUCCEEDED, doctor found something broken, or a plan has problems",
    Exit.USAGE: "the command line or a file it names can't be used",
    Exit.UNREACHABLE: "gate can't be reached",
    Exit.NOT_FOUND: "there is nothing of that name",
    Exit.REFUSED: "gate refused the request; the message has its reason",
    Exit.CANNOT_START: "the platform can't start (a port in use, a broken home, no disk)",
    Exit.STILL_RUNNING: "the time to wait is over, the execution runs on",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
}


class GennakerError(Exception):
    """A failure that the user is told about in one line, and the exit code that goes with it."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class PlatformError(GennakerError):
    """The platform can't start or go on; the message says why and what to do, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.CANNOT_START)
