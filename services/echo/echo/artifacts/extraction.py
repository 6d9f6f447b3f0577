"""The artifacts in an event's payload.

A payload's own `artifacts`, a template of the settings for the source, and the built-in knowledge of some
sources. Source: Spinnaker's Echo, its artifact extractors.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from kork.documents import Document, objects_in, read_json
from kork.errors import BadRequest
from kork.telemetry import log

from echo.events.event import Event
from echo.scm.payload import at, text_at
from echo.settings import WebhookSettings

_log = log("echo.artifacts")
_MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


class TemplateFault(Exception):
    """A template can't be used; the message says which and why."""


def artifacts_of(event: Event, settings: WebhookSettings) -> tuple[Document, ...]:
    """Give the artifacts in an event's payload. A template that fails gives none, and is logged."""
    if not settings.artifacts.enabled:
        return tuple(objects_in(event.payload.get("artifacts")))
    template = next((each for each in settings.artifacts.sources if each.source == event.source), None)
    if template is not None:
        try:
            return tuple(render(template.template_path, event.payload))
        except TemplateFault as fault:
            _log.warning("artifacts.template.failed", source=event.source, error=str(fault))
            return ()
    own = objects_in(event.payload.get("artifacts"))
    return tuple(own) if own else tuple(_known(event))


def render(path: Path, payload: Document) -> list[Document]:
    """Render a template with the payload; raise `TemplateFault` unless a list of artifacts comes out."""
    from jinja2 import TemplateError

    try:
        text: str = _template(path, path.stat().st_mtime_ns).render(payload)
        value = read_json(text.encode())
    except OSError as error:
        raise TemplateFault(f"{path} can't be read: {error.strerror}") from error
    except (TemplateError, BadRequest, ValueError, TypeError, OverflowError) as error:
        raise TemplateFault(f"{path}: {error}") from error
    if not isinstance(value, list):
        raise TemplateFault(f"{path} must render to a JSON list of artifacts")
    return objects_in(cast(Any, value))


@lru_cache(maxsize=64)
def _template(path: Path, _: int) -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment().from_string(path.read_text())


def _known(event: Event) -> Iterator[Document]:
    match event.source.lower():
        case "dockerhub":
            yield from _docker_hub(event.payload)
        case "dockerregistry":
            yield from _docker_registry(event.payload)
        case "quay":
            yield from _quay(event.payload)
        case "github" if event.type.lower() == "git":
            yield from _github(event.payload)
        case "gitlab" if event.type.lower() == "git":
            yield from _gitlab(event.payload)
        case _:
            return


def _image(name: str, version: str, separator: str = ":") -> Document:
    reference = f"{name}{separator}{version}"
    return {"type": "docker/image", "name": name, "version": version, "reference": reference}


def _docker_hub(payload: Document) -> Iterator[Document]:
    name, tag = text_at(payload, "repository", "repo_name"), text_at(payload, "push_data", "tag")
    if name and tag:
        yield _image(f"index.docker.io/{name}", tag)


def _docker_registry(payload: Document) -> Iterator[Document]:
    for event in objects_in(payload.get("events")):
        target = event.get("target")
        if event.get("action") != "push" or text_at(event, "target", "mediaType") not in _MANIFEST_TYPES:
            continue
        host, repository = text_at(event, "request", "host"), text_at(cast(Document, target), "repository")
        name = f"{host}/{repository}" if host else repository
        tag, digest = text_at(event, "target", "tag"), text_at(event, "target", "digest")
        if repository and (tag or digest):
            yield _image(name, tag) if tag else _image(name, digest, "@")


def _quay(payload: Document) -> Iterator[Document]:
    name, tags = text_at(payload, "docker_url"), at(payload, "updated_tags")
    for tag in cast(list[Any], tags) if isinstance(tags, list) else []:
        if name and isinstance(tag, str):
            yield _image(name, tag)


def _changed_files(payload: Document) -> Iterator[str]:
    seen: set[str] = set()
    for commit in objects_in(payload.get("commits")):
        for key in ("added", "modified"):
            files = commit.get(key)
            for file in cast(list[Any], files) if isinstance(files, list) else []:
                if isinstance(file, str) and file not in seen:
                    seen.add(file)
                    yield file


def _github(payload: Document) -> Iterator[Document]:
    contents, version = text_at(payload, "repository", "contents_url"), text_at(payload, "after")
    for file in _changed_files(payload):
        reference = contents.replace("{+path}", file)
        yield {"type": "github/file", "name": file, "version": version, "reference": reference}


def _gitlab(payload: Document) -> Iterator[Document]:
    home, project = text_at(payload, "project", "web_url"), text_at(payload, "project", "path_with_namespace")
    version = text_at(payload, "after")
    root = home.removesuffix(f"/{project}")
    for file in _changed_files(payload):
        quoted = file.replace("/", "%2F")
        api = f"{root}/api/v4/projects/{project.replace('/', '%2F')}/repository/files/{quoted}/raw"
        yield {"type": "gitlab/file", "name": file, "version": version, "reference": api}
