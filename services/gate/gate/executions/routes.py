"""The paths of executions that orca answers."""

from gate.passthrough import Param, Pass

_LISTING = (Param("statuses", "csv", description="comma separated; none means all"),)
_GONE = "Pipeline not found (id: {id})"
_STAGE_GONE = "Pipeline or stage not found (id: {id}, stage: {stageId})"
_EXPRESSION = (Param("expression", required=True),)

LISTS = (
    Pass(
        "GET",
        "/applications/{application}/pipelines",
        "orca",
        "v2/applications/{application}/pipelines",
        "Executions of an application, so many for each pipeline",
        (
            Param("limit", "number", default=10, description="for each pipeline"),
            *_LISTING,
            Param("expand", "flag"),
            Param("pipelineNameFilter"),
            Param("pipelineLimit", "number"),
        ),
    ),
    Pass(
        "GET",
        "/applications/{application}/executions/search",
        "orca",
        "applications/{application}/pipelines/search",
        "Executions that match, newest first; '*' searches all applications",
        (
            Param("triggerTypes", "csv"),
            Param("pipelineName"),
            Param("eventId"),
            Param("trigger", description="base64 of a JSON object that the trigger contains"),
            Param("triggerTimeStartBoundary", "number", description="epoch ms"),
            Param("triggerTimeEndBoundary", "number", description="epoch ms"),
            *_LISTING,
            Param("startIndex", "number"),
            Param("size", "number"),
            Param("reverse", "flag"),
            Param("expand", "flag"),
        ),
    ),
    Pass(
        "GET",
        "/executions/failedStages",
        "orca",
        "pipelines/failedStages",
        "The stages at which an execution failed, through its child pipelines",
        (Param("executionId", required=True), Param("deckOrigin"), Param("limit", "number", default=1)),
    ),
    Pass(
        "GET",
        "/projects/{id}/pipelines",
        "orca",
        "projects/{id}/pipelines",
        "Executions of a project's pipelines",
        (Param("limit", "number", default=5), *_LISTING),
        otherwise=[],
    ),
)

STEERING = (
    Pass("GET", "/pipelines/{id}", "orca", "pipelines/{id}", "One execution, in full", not_found=_GONE),
    Pass("DELETE", "/pipelines/{id}", "orca", "pipelines/{id}", "Delete an execution", void=True, not_found=_GONE),
    Pass(
        "PUT",
        "/pipelines/{id}/cancel",
        "orca",
        "pipelines/{id}/cancel",
        "Cancel an execution",
        (Param("reason"), Param("force", "flag")),
        void=True,
        not_found=_GONE,
    ),
    Pass(
        "PUT",
        "/applications/{application}/pipelines/{id}/cancel",
        "orca",
        "pipelines/{id}/cancel",
        "Cancel an execution; the application is not looked at",
        (Param("reason"),),
        void=True,
        not_found=_GONE,
    ),
    Pass("PUT", "/pipelines/{id}/pause", "orca", "pipelines/{id}/pause", "Pause", void=True, not_found=_GONE),
    Pass("PUT", "/pipelines/{id}/resume", "orca", "pipelines/{id}/resume", "Resume", void=True, not_found=_GONE),
    Pass(
        "PATCH",
        "/pipelines/{id}/stages/{stageId}",
        "orca",
        "pipelines/{id}/stages/{stageId}",
        "Put values into the context of a stage: a judgment, the end of a wait",
        body="object",
        not_found=_STAGE_GONE,
    ),
    Pass(
        "GET",
        "/pipelines/{id}/evaluateExpression",
        "orca",
        "pipelines/{id}/evaluateExpression",
        "Evaluate an expression against an execution",
        _EXPRESSION,
        not_found=_GONE,
    ),
    Pass(
        "GET",
        "/pipelines/{id}/{stageId}/evaluateExpression",
        "orca",
        "pipelines/{id}/{stageId}/evaluateExpression",
        "Evaluate an expression against a stage",
        _EXPRESSION,
        not_found=_STAGE_GONE,
    ),
    Pass(
        "POST",
        "/pipelines/{id}/evaluateVariables",
        "orca",
        "pipelines/{executionId}/evaluateVariables",
        "Evaluate variables as a stage of `executionId` would; the id in the path is not looked at",
        (
            Param("executionId", required=True),
            Param("requisiteStageRefIds", "csv", default=None),
            Param("spelVersion"),
        ),
        body="objects",
        not_found="Pipeline not found (id: {executionId})",
    ),
    Pass(
        "PUT",
        "/admin/executions/forceCancel",
        "orca",
        "admin/forceCancelExecution",
        "End an execution whatever it does",
        (Param("executionId", required=True), Param("executionType", default="PIPELINE"), Param("canceledBy")),
        void=True,
    ),
)
