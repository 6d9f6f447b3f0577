"""Where executions go before they are removed: gzipped JSON lines, one execution a line, as the API serves it.

An archive that was written is complete and durable. Writing the same executions again writes the same file.
"""

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

from orca.execution.encoding import write_json
from orca.retention.rules import Group, Past
from orca.retention.settings import ArchiveSettings, S3ArchiveSettings

_IN_MEMORY = 8_388_608
_KINDS = {"PIPELINE": "pipelines", "ORCHESTRATION": "tasks"}


class Archive(Protocol):
    """Keeps executions."""

    def keep(self, name: str, documents: Iterable[dict[str, Any]]) -> None:
        """Write the documents under a name, whole or not at all. Raises `OSError` or what the store's client does."""
        ...


def archive_for(settings: ArchiveSettings) -> Archive | None:
    """Give the archive that is set, if one is."""
    if settings.s3 is not None:
        return Bucket(settings.s3)
    return Folder(settings.folder) if settings.folder is not None else None


def name_of(group: Group, executions: Sequence[Past]) -> str:
    """Name a file: by application, by the day of its oldest execution, and by what is in it."""
    day = datetime.fromtimestamp(executions[0].build_time / 1000, UTC)
    ids = hashlib.sha256("\n".join(each.id for each in executions).encode()).hexdigest()
    application = quote(group.application, safe="").replace(".", "%2E", 1 if group.application[0] == "." else 0)
    return f"{_KINDS[group.kind]}/{application}/{day:%Y-%m-%d}-{ids[:16]}.jsonl.gz"


def write_lines(file: IO[bytes], documents: Iterable[dict[str, Any]]) -> None:
    """Write gzipped JSON lines; the same documents give the same bytes."""
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as lines:
        for document in documents:
            lines.write(write_json(document) + b"\n")


class Folder:
    """An archive in a folder of this machine, or of a volume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, documents: Iterable[dict[str, Any]]) -> None:
        """Write a file beside its place and move it there once the disk has it."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
            try:
                write_lines(file, documents)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
        _sync_folder(path.parent)


class Bucket:
    """An archive in a bucket of S3, or of a store with its API."""

    def __init__(self, settings: S3ArchiveSettings) -> None:
        import boto3

        self._settings = settings
        client: Any = boto3.client  # pyright: ignore[reportUnknownMemberType]
        self._client: Any = client("s3", region_name=settings.region, endpoint_url=settings.endpoint)

    def keep(self, name: str, documents: Iterable[dict[str, Any]]) -> None:
        """Put an object; S3 shows it once it is whole."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            write_lines(file, documents)
            file.seek(0)
            prefix = self._settings.prefix.strip("/")
            key = f"{prefix}/{name}" if prefix else name
            self._client.put_object(Bucket=self._settings.bucket, Key=key, Body=file)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
