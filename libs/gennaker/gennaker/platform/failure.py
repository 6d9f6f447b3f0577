"""Why a platform can't run."""

from gennaker.exits import Exit, GennakerError


class PlatformError(GennakerError):
    """The platform can't start or go on; the message says why and what to do, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.CANNOT_START)
