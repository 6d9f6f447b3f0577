"""What can be wrong with a template or with its use, told all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kork.errors import BadRequest

FIRST_KIND = "Pipeline templates of schema '1' are not supported"
INSTEAD = (
    "Write it as a v2 template (schema 'v2': SpEL `${ templateVariables.name }` instead of Jinja `{{ name }}`), "
    "save it with `gennaker pipeline-template save`, and point the pipeline's 'template.reference' at "
    "spinnaker://<id>; see docs/how-to/pipeline-templates.md"
)


def _details() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. A `WARN` counts only when a pipeline is planned, not when it is started."""

    message: str
    cause: str | None = None
    location: str | None = None
    suggestion: str | None = None
    severity: Literal["FATAL", "WARN"] = "FATAL"
    details: dict[str, str] = field(default_factory=_details)

    def document(self) -> dict[str, Any]:
        """Give the fault as Orca answers it."""
        shown: dict[str, Any] = {
            "severity": self.severity,
            "message": self.message,
            "location": self.location,
            "cause": self.cause,
            "suggestion": self.suggestion,
            "details": self.details or None,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def words(self) -> str:
        """Tell the fault in one line."""
        where = f" ({self.location})" if self.location else ""
        return ": ".join(part for part in (f"{self.message}{where}", self.cause) if part)


class InvalidTemplate(BadRequest):
    """400: a template can't be used, or not so; `errors` of the answer lists the faults."""

    exception = "com.netflix.spinnaker.kork.web.exceptions.ValidationException"

    def __init__(self, faults: Sequence[Fault]) -> None:
        words = [fault.words() for fault in faults]
        documents = [fault.document() for fault in faults]
        super().__init__(f"Pipeline template is invalid: {'; '.join(words)}", extra={"errors": documents})
        self.faults = tuple(faults)


def first_kind() -> InvalidTemplate:
    """Make the refusal of a template of the first kind."""
    return InvalidTemplate([Fault(FIRST_KIND, suggestion=INSTEAD)])
