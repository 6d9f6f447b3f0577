"""`/capabilities`, `/webhooks/preconfigured`, `/jobs/preconfigured`."""

from fastapi import APIRouter, Response

from orca.answers import answer
from orca.capabilities.functions import described_functions
from orca.settings import OrcaSettings
from orca.stages.preconfigured_job import listed_jobs
from orca.stages.preconfigured_webhook import listed


def capability_router(settings: OrcaSettings) -> APIRouter:
    """Make the routes that say what this orca can do."""
    router = APIRouter(tags=["capabilities"])

    @router.get("/capabilities/deploymentMonitors")
    def deployment_monitors() -> Response:
        """List the deployment monitors; there are none."""
        return answer([])

    @router.get("/capabilities/expressions")
    def expressions() -> Response:
        """List the functions that expressions may call."""
        return answer({"functions": described_functions(), "spelEvaluators": _EVALUATORS})

    @router.get("/webhooks/preconfigured")
    def webhooks() -> Response:
        """List the webhooks that operators have prepared."""
        return answer(listed(settings.webhook))

    @router.get("/jobs/preconfigured")
    def jobs() -> Response:
        """List the jobs that operators have prepared."""
        return answer(listed_jobs(settings.job))

    return router


_EVALUATORS = [
    {
        "versionKey": "v3",
        "displayName": "Evaluate expressions in all stages when the pipeline starts",
        "description": "What can't be known then is evaluated when its stage starts.",
        "isDeprecated": False,
    },
    {
        "versionKey": "v4",
        "displayName": "Evaluate expressions when their stage starts",
        "description": "Each stage sees what the stages before it have published.",
        "isDeprecated": False,
    },
]
