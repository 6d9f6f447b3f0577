"""Pipeline triggers: start when another pipeline ends."""

from typing import Any, ClassVar, cast

from kork.documents import Document

from echo.events.event import Door, Receipt
from echo.settings import EchoSettings
from echo.triggers.definition import Facts, missing

_ENDS = {"SUCCEEDED": "successful", "CANCELED": "canceled", "SUSPENDED": "suspended"}


class PipelineTrigger:
    """The end of an execution of pipeline `pipeline` (an id) with one of the `status`es."""

    type: ClassVar[str] = "pipeline"
    events: ClassVar[frozenset[str]] = frozenset({"pipeline"})
    doors: ClassVar[frozenset[Door]] = frozenset({"bus"})
    once_per_pipeline: ClassVar[bool] = True

    def fault(self, trigger: Document) -> str | None:
        """A pipeline must be named."""
        return missing(trigger, "pipeline")

    def key(self, trigger: Document) -> str:
        """Give the other pipeline's id."""
        return str(trigger["pipeline"]).lower()

    def event_key(self, receipt: Receipt) -> str:
        """Give the id of the pipeline that ended."""
        return str(receipt.event.content.get("pipelineConfigId") or "").lower()

    def mismatch(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> str | None:
        """Look at how it ended."""
        wanted = trigger.get("status")
        ends = cast(list[Any], wanted) if isinstance(wanted, list) else []
        end = end_of(str(receipt.event.content.get("status")))
        return None if end in ends else f"the pipeline ended '{end}', not {' or '.join(repr(item) for item in ends)}"

    def facts(self, trigger: Document, receipt: Receipt, settings: EchoSettings) -> Facts:
        """Give which execution it was; orca's record of it is added when the start is sent."""
        ended = receipt.event.content
        return Facts(
            {
                "user": user_of(ended),
                "isPipeline": True,
                "parentPipelineId": ended.get("executionId"),
                "parentPipelineApplication": ended.get("application"),
                "parentPipelineName": ended.get("name"),
                "parentPipelineStageId": None,
                "parentStatus": ended.get("status"),
            }
        )


def end_of(status: str) -> str:
    """Say in a trigger's word how an execution ended. Source: Spinnaker's Orca, dependent pipelines."""
    return _ENDS.get(status, "failed")


def user_of(ended: Document) -> str:
    """Give the user as whom an execution ran, or an empty text."""
    authentication = ended.get("authentication")
    user = cast(Document, authentication).get("user") if isinstance(authentication, dict) else None
    return user if isinstance(user, str) else ""
