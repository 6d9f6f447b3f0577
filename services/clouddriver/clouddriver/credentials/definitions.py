"""Definitions of accounts as clients send them: read, checked, all faults named at once. Pure.

Source: Spinnaker's Clouddriver, account definitions: the body is the account's settings, `type` (or `@type`) says
of which provider.
"""

from typing import Any

from kork.documents import Document
from kork.errors import BadRequest
from kork.identity import Identity
from kork.settings import model_faults
from pydantic import ValidationError

from clouddriver.credentials.access import is_writer
from clouddriver.credentials.sealing import REDACTED, SECRET_KEYS, redacted
from clouddriver.kubernetes.errors import BadConfiguration
from clouddriver.kubernetes.kubeconfig import connect
from clouddriver.kubernetes.settings import KubernetesAccountSettings

KUBERNETES = "kubernetes"
_TYPES = (KUBERNETES,)


def read_definition(body: Document) -> tuple[str, str, Document]:
    """Split a body into (type, name, settings). Raises `BadRequest`."""
    settings = {key: value for key, value in body.items() if key not in ("type", "@type")}
    type_ = body.get("type") or body.get("@type")
    name = settings.get("name")
    faults: list[str] = []
    if type_ not in _TYPES:
        given = f"not {type_!r}" if type_ else "and it is missing"
        faults.append(f"'type' must be one of {', '.join(repr(known) for known in _TYPES)}, {given}.")
    if not isinstance(name, str) or not name:
        faults.append("'name' must be the account's name.")
    if faults:
        raise BadRequest(f"This is no definition of an account: {' '.join(faults)}", errors=faults)
    return str(type_), str(name), settings


def check_settings(settings: Document) -> KubernetesAccountSettings:
    """Read the settings of an account. Raises `BadRequest` with every fault in `errors`."""
    try:
        read = KubernetesAccountSettings.model_validate(settings)
    except ValidationError as error:
        faults = [_without_secret(fault, settings) for fault in model_faults(KubernetesAccountSettings, error)]
        raise BadRequest(f"The account '{settings.get('name')}' is wrong: {' '.join(faults)}", errors=faults) from error
    faults = [f"'{key}' is '{REDACTED}': give the secret, or a reference to it." for key in sorted(_unknown(settings))]
    faults += _kubeconfig_faults(read)
    if faults:
        raise BadRequest(f"The account '{read.name}' is wrong: {' '.join(faults)}", errors=faults)
    return read


def check_grants(settings: KubernetesAccountSettings, user: Identity) -> None:
    """Refuse that somebody who is no administrator locks himself out. Raises `BadRequest`.

    Source: Spinnaker's Clouddriver: one of the user's roles must be among those with WRITE.
    """
    if not is_writer(settings.permissions.model_dump(by_alias=True), settings.required_group_membership, user):
        raise BadRequest(
            f"The account '{settings.name}' would shut you out: none of your roles has WRITE. "
            "Name one of them under 'permissions.WRITE'."
        )


def shown(type_: str, settings: Document) -> Document:
    """Give a definition as clients see it: without its secrets."""
    return {"type": type_, **redacted(settings)}


def _unknown(settings: Document) -> list[str]:
    return [key for key in SECRET_KEYS if settings.get(key) == REDACTED]


def _kubeconfig_faults(settings: KubernetesAccountSettings) -> list[str]:
    # What the definition holds itself is checked here; a file or a secret may be there on other machines only.
    inline = settings.model_copy(update={"kubeconfig_file": None, "url": None, "service_account": False})
    contents = settings.kubeconfig_contents
    if not contents or settings.kubeconfig_file or settings.service_account or settings.url:
        return []
    try:
        connect(inline)
    except BadConfiguration as error:
        return [f"{error.message} {error.fix}"]
    return []


def _without_secret(fault: str, settings: Document) -> str:
    for key in SECRET_KEYS:
        value: Any = settings.get(key)
        if isinstance(value, str) and value:
            fault = fault.replace(repr(value), f"'{REDACTED}'").replace(value, REDACTED)
    return fault
