"""The paths of templates that one service answers."""

from gate.passthrough import Param, Pass

_SCOPES = (Param("scopes", "items", description="repeated, or with commas; all without any"),)

TEMPLATES = (
    Pass("GET", "/v2/pipelineTemplates", "front50", "v2/pipelineTemplates", "All versions of templates", _SCOPES),
    Pass(
        "GET",
        "/v2/pipelineTemplates/versions",
        "front50",
        "v2/pipelineTemplates/versions",
        "The versions of each template, by its id",
        _SCOPES,
    ),
    Pass(
        "POST",
        "/v2/pipelineTemplates/plan",
        "orca",
        "v2/pipelineTemplates/plan",
        "What a templated pipeline becomes",
        body="object",
    ),
    Pass(
        "GET",
        "/v2/pipelineTemplates/{id}",
        "front50",
        "v2/pipelineTemplates/{id}",
        "One version of a template",
        (Param("tag"), Param("digest")),
        not_found="Pipeline template not found (id: {id})",
    ),
    Pass("GET", "/pipelineTemplates", "front50", "pipelineTemplates", "Templates of the first kind: none", _SCOPES),
    Pass("GET", "/pipelineTemplates/resolve", "orca", "pipelineTemplate", "Refused: 400 with what to do", more=True),
    Pass("GET", "/pipelineTemplates/{id}", "front50", "pipelineTemplates/{id}", "404: there is none of this kind"),
    Pass(
        "GET",
        "/pipelineTemplates/{id}/dependents",
        "front50",
        "pipelineTemplates/{id}/dependentPipelines",
        "The pipelines that use a template of the first kind: none",
        more=True,
    ),
    Pass("GET", "/stages/custom", "orca", "stages/custom", "Stage types that settings compose of others"),
)
