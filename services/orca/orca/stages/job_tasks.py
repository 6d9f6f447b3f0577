"""The tasks of stages that run a Kubernetes Job: start it, wait for its end, read what it found out.

Source: Orca's `tasks.job` and its `KubernetesJobRunner`.
"""

import re
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.artifacts import bound_by_id
from orca.artifacts.content import content_of
from orca.execution.model import JsonMap
from orca.stages.definition import (
    Services,
    StageView,
    TaskFailure,
    TaskResult,
    io_task,
    running,
    succeeded,
)
from orca.stages.job_context import RunJobContext, application_of, job_path
from orca.stages.manifest_evaluation import evaluate_manifests
from orca.stages.manifest_source import read_manifests
from orca.stages.manifest_tasks import is_on
from orca.stages.operations import description_of, growing, maps, monitor_operation, submit

TASKS = "com.netflix.spinnaker.orca.clouddriver.tasks.job"
_LOGS = "job.spinnaker.io/logs"
_SUBMIT_BACKOFF_MS = 2_000
_SUBMIT_TIMEOUT_MS = 60_000
_POLL_MS = (500, 10_000)
_TIMEOUT_MS = 2 * 3_600_000
_PADDING_MS = 5 * 60_000
_PROPERTY_TRIES = 3
TRIES = "propertyFileTries"
_PREPARED = (
    "account",
    "application",
    "cloudProvider",
    "credentials",
    "manifest",
    "preconfiguredJobParameters",
    "propertyFile",
    "waitForCompletion",
)
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?", re.IGNORECASE)


@io_task(
    name="runJob",
    implementing_class=f"{TASKS}.RunJobTask",
    backoff=_SUBMIT_BACKOFF_MS,
    timeout=_SUBMIT_TIMEOUT_MS,
)
def run_job(stage: StageView[RunJobContext], services: Services) -> TaskResult:
    """Hand the Job to clouddriver."""
    context = stage.context
    read = evaluate_manifests(stage, services, context, context.manifest, "manifest")
    if len(read.manifests) != 1:
        raise TaskFailure(f"Run Job only supports manifests with a single Job (there are {len(read.manifests)}).")
    [manifest] = read.manifests
    description = description_of(
        stage,
        source="text",
        manifest=manifest,
        requiredArtifacts=read.required,
        optionalArtifacts=read.optional,
        account=context.account_name,
        application=application_of(stage),
    )
    watched = submit(stage, services, "runJob", description, result=False)
    noted: JsonMap = {
        "notification.type": "runjob",
        "deploy.account.name": context.account_name,
    }
    logs = _annotations(manifest).get(_LOGS)
    if isinstance(logs, str) and logs:
        noted["execution"] = {"logs": logs}
    return succeeded(_prepared(stage) | watched | noted | read.noted)


def _prepared(stage: StageView[RunJobContext]) -> JsonMap:
    """Give what an operator's preparation has put into the stage, so that clients see it."""
    if "preconfiguredJobParameters" not in stage.raw:
        return {}
    return {key: stage.raw[key] for key in _PREPARED if key in stage.raw}


monitor_job = replace(monitor_operation, name="monitorDeploy", implementing_class=f"{TASKS}.MonitorJobTask")


def _timeout(stage: StageView[Any]) -> int:
    limit = stage.raw.get("jobRuntimeLimit")
    parsed = _DURATION.fullmatch(limit.strip()) if isinstance(limit, str) else None
    if parsed is None or not any(parsed.groups()):
        return _TIMEOUT_MS
    days, hours, minutes, seconds = (int(part or 0) for part in parsed.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + _PADDING_MS


@io_task(
    name="waitOnJobCompletion",
    implementing_class=f"{TASKS}.WaitOnJobCompletion",
    backoff=growing(*_POLL_MS),
    timeout=_timeout,
    overridable=True,
)
def wait_for_job(stage: StageView[RunJobContext], services: Services) -> TaskResult:
    """Wait until the Job has ended; publish how it went, and the properties that it wrote. A failed Job fails."""
    location, name = _job(stage)
    path = job_path(stage, location, name)
    try:
        job = _document(services.clouddriver.get(path), path)
    except UpstreamError as error:
        if error.status != 404:
            raise
        raise TaskFailure(
            f"Job: '{name}' in '{location}' for account {stage.context.account_name} is gone: {error.upstream_message}",
            exception_type="JobFailedException",
        ) from error
    found: JsonMap = {"jobStatus": job, "completionDetails": job.get("completionDetails")}
    match job.get("jobState"):
        case "Succeeded":
            properties = _properties(stage, services, job, path, location)
            if properties is None:
                tries = int(stage.raw.get(TRIES) or 0) + 1
                return running(context=found | {TRIES: tries})
            if properties:
                found |= properties | {"propertyFileContents": properties}
            return succeeded(found, {} if is_on(stage.raw.get("noOutput")) else dict(found))
        case "Failed":
            written = _properties_of_failed(stage, services, path)
            if written:
                found |= written | {"propertyFileContents": written}
            raise TaskFailure(_why(job), exception_type="JobFailedException", context=found)
        case _:
            return running(context=found)


@io_task(
    name="consumeArtifact",
    implementing_class="com.netflix.spinnaker.orca.clouddriver.tasks.artifacts.ConsumeArtifactTask",
    backoff=1_000,
    timeout=300_000,
)
def consume_artifact(stage: StageView[RunJobContext], services: Services) -> TaskResult:
    """Publish the fields of an artifact that holds one JSON or YAML object."""
    id = stage.context.consume_artifact_id
    artifact = bound_by_id(stage.execution, stage.stage, id) if id else None
    if artifact is None:
        raise TaskFailure(f"No artifact could be bound to '{id}' (consumeArtifactId).")
    if stage.context.consume_artifact_account:
        artifact = artifact | {"artifactAccount": stage.context.consume_artifact_account}
    documents = read_manifests(content_of(artifact, services.clouddriver), f"The artifact '{id}'")
    if len(documents) != 1:
        raise TaskFailure(f"The artifact '{id}' must hold one object, and holds {len(documents)}.")
    fields = {key: value for key, value in documents[0].items() if value is not None}
    return succeeded({}, fields)


def _job(stage: StageView[RunJobContext]) -> tuple[str, str]:
    jobs: Any = stage.raw.get("deploy.jobs")
    named = [(location, name) for location, names in cast(JsonMap, jobs or {}).items() for name in names or []]
    if not named:
        raise TaskFailure("No jobs in stage context: clouddriver did not say which Job it has started.")
    if len(named) > 1:
        raise TaskFailure(f"At most one job can be run and monitored at a time (there are {len(named)}).")
    return str(named[0][0]), str(named[0][1])


def _properties(
    stage: StageView[RunJobContext], services: Services, job: JsonMap, path: str, location: str
) -> JsonMap | None:
    """Read the properties of a Job that succeeded; `None` to try again later. Raises `TaskFailure` without any."""
    file = stage.context.property_file
    if not file:
        return {}
    try:
        found = services.clouddriver.get(f"{path}/{quote(file, safe='')}") or _of_pod(stage, services, job, location)
        why = ""
    except UpstreamError as error:
        passing = error.network or error.status >= 500 or error.status == 429
        if passing and int(stage.raw.get(TRIES) or 0) < _PROPERTY_TRIES:
            return None
        found, why = None, f". Error: {error.upstream_message}"
    if isinstance(found, dict) and found:
        return cast(JsonMap, found)
    raise TaskFailure(
        f"Expected properties file: {file} in job: {job.get('name')}, application: {application_of(stage)}, "
        f"location: {location}, account: {stage.context.account_name} but it was either missing, empty or contained "
        f"invalid syntax{why}",
        exception_type="ConfigurationException",
        context={"jobStatus": job, "completionDetails": job.get("completionDetails")},
    )


def _of_pod(stage: StageView[RunJobContext], services: Services, job: JsonMap, location: str) -> Any:
    """Ask the pod that succeeded itself: a Job's log may be that of another of its pods."""
    pods = (
        str(pod.get("name")) for pod in maps(job.get("pods")) if (pod.get("status") or {}).get("phase") == "Succeeded"
    )
    pod = next(pods, None)
    if pod is None:
        return None
    parts = (stage.context.account_name, location, pod, str(stage.context.property_file))
    application = quote(application_of(stage), safe="")
    place = "/".join(quote(part, safe="") for part in parts)
    return services.clouddriver.get(f"/applications/{application}/kubernetes/pods/{place}")


def _properties_of_failed(stage: StageView[RunJobContext], services: Services, path: str) -> JsonMap:
    """Read what a failed Job has written, if it can be read: the failure itself matters more."""
    file = stage.context.property_file
    if not file:
        return {}
    try:
        found = services.clouddriver.get(f"{path}/{quote(file, safe='')}")
    except UpstreamError:
        return {}
    return cast(JsonMap, found) if isinstance(found, dict) else {}


def _why(job: JsonMap) -> str:
    told = f"Job: '{job.get('name') or ''}' failed."
    for words, key in (
        (" Reason: {}.", "reason"),
        (" Details: {}.", "message"),
        (" Additional Details: {}", "failureDetails"),
    ):
        if job.get(key):
            told += words.format(job[key])
    return told


def _annotations(manifest: JsonMap) -> JsonMap:
    metadata: Any = manifest.get("metadata")
    annotations: Any = cast(JsonMap, metadata).get("annotations") if isinstance(metadata, dict) else None
    return cast(JsonMap, annotations) if isinstance(annotations, dict) else {}


def _document(found: Any, path: str) -> JsonMap:
    if not isinstance(found, dict):
        raise TaskFailure(f"clouddriver answered {path} with {found!r:.200}, not with a Job's status.")
    return cast(JsonMap, found)
