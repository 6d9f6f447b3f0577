"""Secrets that are kept in Kubernetes: `secret://kubernetes/<namespace>/<name>/<key>`.

Spinnaker's form is `encrypted:k8s!ns:<namespace>!n:<name>!k:<key>`. They are read from the cluster in which
clouddriver runs, or the one that kubectl would take (`KUBECONFIG`, `~/.kube/config`).
"""

import base64
from collections.abc import Mapping
from urllib.parse import quote

from kork.secrets import SecretError, SecretReference, SecretStore

from clouddriver.kubernetes.errors import KubernetesError
from clouddriver.kubernetes.manifest import mapping

_PARTS = 3
_TIMEOUT_SECONDS = 10.0


def kubernetes_secret(reference: SecretReference) -> str:
    """Read one key of a Secret. Raises `SecretError`."""
    # A connection may be made of a secret, and a secret is read over a connection.
    from clouddriver.kubernetes.client import KubernetesClient
    from clouddriver.kubernetes.kubeconfig import default_connection

    namespace, name, key = _named(reference)
    try:
        client = KubernetesClient(default_connection(), timeout=_TIMEOUT_SECONDS)
        try:
            secret = client.request("GET", f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}")
        finally:
            client.close()
    except KubernetesError as error:
        raise SecretError(f"The secret '{reference.text}' can't be read: {error.message}") from error
    data = mapping(secret.get("data"))
    if key not in data:
        raise SecretError(f"The secret '{reference.text}' is not there: the Secret '{name}' has no key '{key}'.")
    try:
        return base64.b64decode(str(data[key])).decode()
    except ValueError as error:
        raise SecretError(f"The secret '{reference.text}' is not UTF-8 text.") from error


STORES: Mapping[str, SecretStore] = {"kubernetes": kubernetes_secret}


def _named(reference: SecretReference) -> tuple[str, str, str]:
    if not reference.path:
        return (
            reference.parameter("ns", "namespace"),
            reference.parameter("n", "name"),
            reference.parameter("k", "key"),
        )
    parts = reference.path.split("/")
    if len(parts) != _PARTS or not all(parts):
        raise SecretError(
            f"The secret reference '{reference.text}' is malformed. Write 'secret://kubernetes/<namespace>/<name>/<key>'."
        )
    return parts[0], parts[1], parts[2]
