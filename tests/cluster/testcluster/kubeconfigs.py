"""Kubeconfig files. They are written as JSON, which is YAML."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from testcluster.certificates import KeyPair


def with_certificate(pair: KeyPair) -> dict[str, str]:
    """Give the credentials of a user who has a certificate."""
    return {
        "client-certificate-data": encode(pair.certificate.read_bytes()),
        "client-key-data": encode(pair.key.read_bytes()),
    }


def with_token(token: str) -> dict[str, str]:
    """Give the credentials of a user who has a token."""
    return {"token": token}


def encode(content: bytes) -> str:
    """Write bytes as kubeconfig files hold them."""
    return base64.b64encode(content).decode()


def write_kubeconfig(
    path: Path, cluster: Mapping[str, object], user: str, credentials: Mapping[str, str], namespace: str = "default"
) -> Path:
    """Write a kubeconfig of one context for `user`; `cluster` is its `cluster` entry (`server`, authority)."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testcluster",
        "clusters": [{"name": "testcluster", "cluster": dict(cluster)}],
        "users": [{"name": user, "user": dict(credentials)}],
        "contexts": [
            {"name": "testcluster", "context": {"cluster": "testcluster", "user": user, "namespace": namespace}}
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))
    return path
