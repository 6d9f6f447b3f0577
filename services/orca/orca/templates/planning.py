"""From a use of a template to the pipeline that it stands for. Pure.

Source: Orca's `V2SchemaExecutionGenerator` and `V2Util.planPipeline`.
"""

import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

from kork.documents import Document
from spel import render_tree

from orca.expressions.functions import PURE
from orca.expressions.root import GivenNames
from orca.templates.faults import Fault, InvalidTemplate
from orca.templates.graph import loose_stages, merge_stages
from orca.templates.model import STAGES, Template, Use, Variable, merged_distinct, read_template, read_use
from orca.templates.variables import resolve_variables

SOURCE: Document = {"type": "templatedPipeline", "version": "v2"}
_OWN = (
    "id",
    "application",
    "executionId",
    "rootId",
    "receivedArtifacts",
    "origin",
    "disabled",
    "startTimeExpiry",
    "initialConfig",
    "description",
    "email",
    "roles",
    "serviceAccount",
    "tags",
    "plan",
)
_FALLBACK = ("limitConcurrent", "maxConcurrentExecutions", "keepWaitingPipelines", "spelEvaluator")
_VARIABLE = re.compile(r"templateVariables(?:\?)?(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])")


def artifact_of(config: Document, trigger: Document) -> Document:
    """Give the artifact that is the template, its expressions evaluated with the trigger."""
    return _rendered(config["template"], {"trigger": trigger, "application": config.get("application")})


def plan_templated(config: Document, document: Any, trigger: Document, *, strict: bool = False) -> Document:
    """Plan the pipeline that uses the template `document`.

    `strict` also refuses what a start lets pass (configured stages that would never run).
    Raises `InvalidTemplate` with the faults.
    """
    template, use = read_template(document), read_use(config)
    faults = [*_protected(template, use), *(loose_stages(template.stages, use.stages) if strict else [])]
    if faults:
        raise InvalidTemplate(faults)
    template = _with_evaluated_defaults(template, use, trigger)
    variables = resolve_variables(template.variables, use.variables, use.label)
    stages = merge_stages(template.stages, deepcopy(use.stages))
    return _generate(template, use, stages) | {"templateVariables": variables}


def evaluate_planned(planned: Document, trigger: Document) -> Document:
    """Evaluate what the trigger and the template's variables tell, everywhere in a planned pipeline.

    What needs the run stays as it is. Raises `InvalidTemplate` naming variables that are used and have no value.
    """
    variables: Document = planned.get("templateVariables") or {}
    wanted = {key: value for key, value in planned.items() if key != "trigger"}
    evaluated, problems = render_tree(
        wanted, GivenNames({"trigger": trigger, "templateVariables": variables}), functions=PURE
    )
    named = [match[1] or match[2] for problem in problems for match in _VARIABLE.finditer(problem.expression)]
    missing = list(dict.fromkeys(name for name in named if name not in variables))
    if missing:
        raise InvalidTemplate(
            [Fault("Missing template variable values for the following variables", ", ".join(missing))]
        )
    return evaluated | {"trigger": trigger}


def _protected(template: Template, use: Use) -> list[Fault]:
    if not (template.protect and use.stages):
        return []
    return [
        Fault(
            "Modification of the stage graph (adding, removing, editing) is disallowed",
            "The template being used has marked itself as protected",
            location="configuration:stages",
        )
    ]


def _with_evaluated_defaults(template: Template, use: Use, trigger: Document) -> Template:
    defaults = {each.name: each.default for each in template.variables if each.default is not None or each.nullable}
    seen = {
        "trigger": trigger,
        "application": use.config.get("application"),
        "templateVariables": defaults | use.variables,
    }
    evaluated = tuple(_evaluated(each, seen) for each in template.variables)
    return replace(template, variables=evaluated)


def _evaluated(variable: Variable, seen: Document) -> Variable:
    return replace(variable, default=_rendered(variable.default, seen))


def _rendered(value: Any, seen: Document) -> Any:
    evaluated, _ = render_tree(value, GivenNames(seen), functions=PURE)
    return evaluated


def _generate(template: Template, use: Use, stages: list[Document]) -> Document:
    config = use.config
    pipeline = deepcopy(template.pipeline) | {STAGES: stages}
    pipeline |= {key: config[key] for key in _FALLBACK if key in config and key not in pipeline}
    pipeline.setdefault("limitConcurrent", True)
    pipeline.setdefault("keepWaitingPipelines", False)
    pipeline |= {key: config[key] for key in _OWN if config.get(key) is not None}
    if "id" not in config and config.get("pipelineConfigId"):
        pipeline["id"] = config["pipelineConfigId"]
    pipeline["name"] = config.get("name") or "Unnamed Execution"
    parameters = [*(config.get("parameterConfig") or []), *(config.get("parameters") or [])]
    own = {
        "notifications": config.get("notifications"),
        "parameterConfig": parameters,
        "triggers": config.get("triggers"),
    }
    for key, given in own.items():
        inherits = ("parameters" if key == "parameterConfig" else key) not in use.excluded
        pipeline[key] = merged_distinct(template.pipeline.get(key) if inherits else [], given)
    artifacts = merged_distinct([], template.pipeline.get("expectedArtifacts"))
    pipeline["expectedArtifacts"] = artifacts + [
        each for each in merged_distinct([], config.get("expectedArtifacts")) if each not in artifacts
    ]
    return pipeline | {"source": SOURCE}
