"""Reading Jobs and their logs from the cluster itself, and ending them."""

from typing import Any

from kork.errors import Forbidden, NotFound, SpinnakerError
from kork.identity import Identity

from clouddriver.jobs.rules import BadProperties, by_promise, job_status, properties_in
from clouddriver.kubernetes.accounts import Account, Accounts
from clouddriver.kubernetes.document import Manifest, mapping_at, name_of, text_at
from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.manifest import ResourceRef
from clouddriver.manifests.service import failure
from clouddriver.operations.rules import may_write

_MAX_LOG_BYTES = 32 * 1_048_576


class JobService:
    """The Jobs of all accounts; `detailed` statuses hold those of the pods. Names are `job <name>` or `<name>`."""

    def __init__(self, accounts: Accounts, *, detailed: bool) -> None:
        self._accounts = accounts
        self._detailed = detailed

    def status(self, account_name: str, namespace: str, id: str) -> dict[str, Any]:
        """Say how a Job is. Raises `NotFound`."""
        account, job = self._job(account_name, namespace, id)
        return job_status(account.name, job, self._pods(account, job), detailed=self._detailed)

    def properties(self, account_name: str, namespace: str, id: str, container: str) -> dict[str, Any]:
        """Find the properties that a container of the Job has written; empty when there are none.

        Raises `NotFound` for an unknown Job; 422 when they can't be read, 502 or 503 when the log can't be.
        """
        account, job = self._job(account_name, namespace, id)
        pods = by_promise(self._pods(account, job))
        trouble: KubernetesError | None = None
        for pod in pods:
            try:
                return self._read(account, namespace, name_of(pod), container)
            except KubernetesError as error:
                trouble = trouble or error
        if trouble is not None:
            raise failure(account, f"Read the log of container '{container}' of {id}", trouble)
        return {}

    def pod_properties(self, account_name: str, namespace: str, pod: str, container: str) -> dict[str, Any]:
        """Find the properties that a container of a pod has written. Raises as `properties`."""
        account = self._allowed(account_name, namespace, "Pod")
        try:
            return self._read(account, namespace, pod, container)
        except KubernetesError as error:
            if error.status == 404:
                raise NotFound(error.message) from error
            raise failure(account, f"Read the log of container '{container}' of pod {pod}", error) from error

    def cancel(self, account_name: str, namespace: str, id: str, user: Identity) -> None:
        """Delete a Job with its pods. Raises `NotFound`, and `Forbidden` without WRITE on the account."""
        account, job = self._job(account_name, namespace, id)
        if not may_write(account, user):
            raise Forbidden(
                f"Access denied to account {account.name}: '{user.user}' has none of the account's WRITE roles."
            )
        options = {
            "propagationPolicy": "Background",
            "preconditions": {"uid": text_at(job, "metadata", "uid")},
        }
        try:
            account.client.delete(ResourceRef.of(job), options)
        except KubernetesError as error:
            raise failure(account, f"Delete job '{name_of(job)}' in '{namespace}'", error) from error

    def _job(self, account_name: str, namespace: str, id: str) -> tuple[Account, Manifest]:
        account = self._allowed(account_name, namespace, "Job")
        name = id.split(" ")[-1]
        try:
            job = account.client.get(ResourceRef(kind="Job", group="batch", namespace=namespace, name=name))
        except KubernetesError as error:
            raise failure(account, f"Read job '{name}' in '{namespace}'", error) from error
        if job is None:
            raise NotFound(f"There is no job '{name}' in namespace '{namespace}' of account '{account.name}'.")
        return account, job

    def _allowed(self, account_name: str, namespace: str, kind: str) -> Account:
        account = self._accounts.get(account_name)
        if not account.namespace_allowed(namespace) or not account.kind_allowed(kind):
            raise Forbidden(
                f"Account '{account.name}' is not for {kind.lower()}s in namespace '{namespace}' "
                "(see 'namespaces', 'kinds' and their omissions of the account)."
            )
        return account

    def _pods(self, account: Account, job: Manifest) -> list[Manifest]:
        labels = mapping_at(job, "spec", "selector", "matchLabels")
        if not labels:
            return []
        query = ",".join(f"{key}={value}" for key, value in labels.items())
        try:
            return account.client.list("Pod", text_at(job, "metadata", "namespace"), group="", label_selector=query)
        except KubernetesError as error:
            raise failure(account, f"List the pods of job '{name_of(job)}'", error) from error

    def _read(self, account: Account, namespace: str, pod: str, container: str) -> dict[str, Any]:
        path = account.client.served("Pod", "").path(namespace, pod, "log")
        log = account.client.text(path, {"container": container, "limitBytes": str(_MAX_LOG_BYTES)})
        where = f"the log of container '{container}' of pod '{pod}' in namespace '{namespace}'"
        if len(log) >= _MAX_LOG_BYTES:
            raise SpinnakerError(
                f"{where} is longer than {_MAX_LOG_BYTES} bytes: print properties in a container of their own.",
                status=422,
            )
        try:
            return properties_in(log)
        except BadProperties as error:
            raise SpinnakerError(f"In {where}, {error}.", status=422) from error
