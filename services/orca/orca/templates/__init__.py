"""Pipeline templates: a pipeline written once, with variables, and used by many.

A saved configuration (`schema: v2`, `template: {reference}`) becomes the pipeline that runs when orca gets
it, whoever sent it. The rules are pure functions; only `loading` asks another service. Source: Spinnaker's
Orca (`orca-pipelinetemplate`, schema v2). Templates of the first kind (schema `1`, Jinja) are refused.
"""

from orca.templates.faults import Fault, InvalidTemplate
from orca.templates.loading import Templates, TemplateSource
from orca.templates.planning import evaluate_planned, plan_templated

__all__ = ["Fault", "InvalidTemplate", "TemplateSource", "Templates", "evaluate_planned", "plan_templated"]
