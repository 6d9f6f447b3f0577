"""`/stages/custom`."""

from typing import Any

from fastapi import APIRouter

from orca.settings import OrcaSettings


def custom_stage_router(settings: OrcaSettings) -> APIRouter:
    """Make the route that lists composed stage types."""
    router = APIRouter(tags=["stages"])

    @router.get("/stages/custom")
    def listed() -> list[dict[str, Any]]:
        """List the stage types that settings compose, with what a stage of each has to give."""
        shown = {"type", "label", "description", "parameters"}
        return [
            each.model_dump(by_alias=True, include=shown, exclude_none=True)
            for each in settings.stages.custom
            if each.enabled
        ]

    return router
