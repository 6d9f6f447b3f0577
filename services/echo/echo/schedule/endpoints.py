"""`/validateCronExpression` and `/scheduledActions`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from kork.database import Database
from kork.errors import BadRequest

from echo.pipelines.store import PipelineStore
from echo.schedule.describe import describe
from echo.schedule.quartz import InvalidCron, parse
from echo.schedule.store import ScheduleStore
from echo.settings import EchoSettings
from echo.triggers.catalogue import TriggerCatalogue

Expression = Annotated[str, Query(alias="cronExpression")]


def schedule_router(database: Database, settings: EchoSettings, catalogue: TriggerCatalogue) -> APIRouter:
    """Make the routes of the schedule."""
    router = APIRouter(tags=["schedule"])

    @router.get("/validateCronExpression")
    def validate(expression: Expression) -> dict[str, str]:
        """Say an expression in words; 400 with the reason when it is none."""
        try:
            cron = parse(expression)
        except InvalidCron as error:
            raise BadRequest(
                str(error), exception="com.netflix.spinnaker.echo.cron.InvalidCronExpressionException"
            ) from error
        return {"response": "Cron expression is valid", "description": describe(cron)}

    @router.get("/scheduledActions")
    def scheduled_actions() -> dict[str, list[dict[str, Any]]]:
        """List what is scheduled, with the next fire time (ms)."""
        with database.connect() as connection:
            store = PipelineStore(connection, settings, catalogue)
            return {
                "pipeline": [
                    {
                        "id": each.trigger_id,
                        "application": (store.by_id(each.pipeline_id) or {}).get("application"),
                        "pipelineId": each.pipeline_id,
                        "cronExpression": each.trigger.get("cronExpression"),
                        "timezone": each.timezone,
                        "runAsUser": each.trigger.get("runAsUser"),
                        "forceRebake": each.trigger.get("rebake") is True,
                        "nextFireTime": each.next_fire,
                    }
                    for each in ScheduleStore(connection).all()
                ],
                "manuallyCreated": [],
            }

    return router
