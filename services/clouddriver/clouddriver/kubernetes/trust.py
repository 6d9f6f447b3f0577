"""Certificates of a connection: which server is believed, and which client certificate is shown to it.

Whatever is wrong is a `BadConfiguration` that names where it was said.
"""

import base64
import binascii
import ssl
import tempfile
from contextlib import ExitStack

import httpx2 as httpx

from clouddriver.kubernetes.errors import BadConfiguration


def trust(file: str | None, data: str | None, *, insecure: bool, origin: str) -> ssl.SSLContext:
    """Make what decides which servers are believed: a file, base64 `data`, or what this machine trusts."""
    if insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if not (file or data):
        return httpx.create_ssl_context()
    try:
        if data:
            return ssl.create_default_context(cadata=decoded(data, origin).decode("ascii"))
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError, UnicodeDecodeError) as error:
        raise BadConfiguration(
            f"The certificate authority in {origin} can't be used ({error}).",
            f"In {origin}: give the cluster's certificate authority in PEM form.",
        ) from error


def decoded(data: str, origin: str) -> bytes:
    """Read base64, as the `…-data` keys of a kubeconfig have it."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadConfiguration(f"A '…-data' value in {origin} is not base64.", f"Write {origin} anew.") from error


def as_file(stack: ExitStack, data: str, origin: str) -> str:
    """Put base64 data into a file that is gone when `stack` ends; give its name."""
    # OpenSSL reads certificates of clients from files only.
    content = decoded(data, origin)
    file = stack.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115
    file.write(content)
    file.flush()
    return file.name
