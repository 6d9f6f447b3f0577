"""Where templates come from: any artifact that clouddriver fetches, front50's own (`spinnaker://…`) among them."""

from typing import Any, Protocol, cast

import orjson
from kork.documents import Document, json_type
from kork.errors import UpstreamError

from orca.templates.faults import Fault, InvalidTemplate
from orca.templates.model import is_templated
from orca.templates.planning import artifact_of, plan_templated

_SPINNAKER = "spinnaker://"
_FRONT50 = {"type": "front50/pipelineTemplate", "artifactAccount": "front50ArtifactCredentials"}
_NOT_LOADED = "failed loading template"


class TemplateSource(Protocol):
    """A client of clouddriver."""

    def put(self, path: str, *, json: Any = None, raw: bool = False, **options: Any) -> Any: ...


class Templates:
    """Plans the pipelines that use templates; all other pipelines pass as they are."""

    def __init__(self, clouddriver: TemplateSource) -> None:
        self._clouddriver = clouddriver

    def planned(self, pipeline: Document, trigger: Document, *, strict: bool = False) -> Document:
        """Give the pipeline that runs.

        Raises `InvalidTemplate` with the faults, `UpstreamError` while the template can't be fetched.
        """
        if not is_templated(pipeline):
            return pipeline
        return plan_templated(pipeline, self._load(artifact_of(pipeline, trigger)), trigger, strict=strict)

    def _load(self, template: Any) -> Any:
        if not isinstance(template, dict):
            raise InvalidTemplate([Fault(f"'template' must be an artifact (an object), not {json_type(template)}.")])
        artifact = cast(Document, template)
        reference = artifact.get("reference")
        if not isinstance(reference, str) or not reference:
            raise InvalidTemplate(
                [Fault("'template.reference' is missing; write spinnaker://<id>", location="configuration:template")]
            )
        if reference.startswith(_SPINNAKER):
            artifact = artifact | {key: artifact.get(key) or value for key, value in _FRONT50.items()}
        try:
            response = self._clouddriver.put("/artifacts/fetch", json=artifact, raw=True)
        except UpstreamError as error:
            if error.network or error.status >= 500:
                raise
            raise _not_loaded(f"{reference}: {error.upstream_message}") from error
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise _not_loaded(f"{reference} is not JSON: {error}") from error


def _not_loaded(cause: str) -> InvalidTemplate:
    return InvalidTemplate([Fault(_NOT_LOADED, cause, location="configuration:template")])
