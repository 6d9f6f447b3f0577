"""What templates add to the pipelines that use them: triggers, and artifacts that are expected.

Source: Spinnaker's Echo plans templated pipelines through Orca when it reads them. One that can't be planned
keeps its own triggers here (there: is dropped), so that its start shows what is wrong with it.
"""

import asyncio
from collections.abc import Sequence

from kork.documents import Document, object_in, objects_in
from kork.errors import UpstreamError
from kork.http import ServiceClient
from kork.telemetry import log

_log = log("echo.pipelines")
_AT_ONCE = 8
_ADDED = ("triggers", "expectedArtifacts")


def is_templated(pipeline: Document) -> bool:
    """Say whether a pipeline uses a template (v2)."""
    return pipeline.get("schema") == "v2" and pipeline.get("template") is not None


class TemplatePlanner:
    """Asks orca what templated pipelines become."""

    def __init__(self, orca: ServiceClient) -> None:
        self._orca = orca
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def complete(self, pipelines: Sequence[Document]) -> tuple[list[Document], set[str]]:
        """Give the pipelines with what their templates add, and the ids of those to be asked for again later."""
        planned = await asyncio.gather(*(self._completed(each) for each in pipelines))
        later = {str(each["id"]) for each, known in zip(pipelines, planned, strict=True) if known is None}
        return [known or each for each, known in zip(pipelines, planned, strict=True)], later

    async def _completed(self, pipeline: Document) -> Document | None:
        if not is_templated(pipeline):
            return pipeline
        try:
            async with self._slots:
                planned = object_in(await self._orca.post("/v2/pipelineTemplates/plan", json=pipeline))
        except UpstreamError as error:
            passes = error.network or error.status >= 500
            _log.warning(
                "template.not_planned", pipeline=pipeline.get("id"), again=passes, error=error.upstream_message
            )
            return None if passes else pipeline
        return pipeline | {key: objects_in(planned.get(key)) for key in _ADDED}
