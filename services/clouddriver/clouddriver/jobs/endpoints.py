"""`/applications/{application}/jobs` and `/applications/{application}/kubernetes/pods`."""

from fastapi import APIRouter, Response
from kork.app import JSONResponse
from kork.caller import CurrentUser

from clouddriver.jobs.service import JobService

_JOB = "/applications/{application}/jobs/{account}/{location}/{id}"
_POD = "/applications/{application}/kubernetes/pods/{account}/{namespace}/{pod}/{container}"


def job_router(service: JobService) -> APIRouter:
    """Make the routes of Jobs."""
    router = APIRouter(tags=["jobs"])

    @router.get(_JOB)
    @router.post(_JOB, include_in_schema=False)
    def get_job(application: str, account: str, location: str, id: str) -> Response:
        """Say how a Job (`job <name>`) is, with its pods. Gate asks by POST. 404 when there is none."""
        return JSONResponse(service.status(account, location, id))

    @router.delete(_JOB)
    def cancel_job(application: str, account: str, location: str, id: str, user: CurrentUser) -> None:
        """Delete a Job with its pods. 404 when there is none, 403 without WRITE on the account."""
        service.cancel(account, location, id, user)

    @router.get(f"{_JOB}/{{container}}")
    def get_properties(application: str, account: str, location: str, id: str, container: str) -> Response:
        """Give the properties that a container of a Job has written to its log; `{}` when there are none."""
        return JSONResponse(service.properties(account, location, id, container))

    @router.get(_POD)
    def get_pod_properties(application: str, account: str, namespace: str, pod: str, container: str) -> Response:
        """Give the properties that a container of a pod has written to its log; `{}` when there are none."""
        return JSONResponse(service.pod_properties(account, namespace, pod, container))

    return router
