"""The cluster's keys: an authority, and what it has signed. Elliptic curves: made in milliseconds."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = datetime.timedelta(days=3650)
_CLOCK_SKEW = datetime.timedelta(days=1)
_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_SERVER_ADDRESSES = ("127.0.0.1", "10.96.0.1")
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class ClusterKeys:
    """All keys of one cluster."""

    authority: KeyPair
    server: KeyPair
    admin: KeyPair
    scheduler: KeyPair
    service_account_key: Path
    service_account_public_key: Path


def ensure_keys(folder: Path) -> ClusterKeys:
    """Give the keys in `folder`, making them when it has none."""
    keys = ClusterKeys(
        *(KeyPair(folder / f"{name}.crt", folder / f"{name}.key") for name in ("ca", "server", "admin", "scheduler")),
        service_account_key=folder / "service-accounts.key",
        service_account_public_key=folder / "service-accounts.pub",
    )
    if not keys.service_account_public_key.exists():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        _make(keys)
    return keys


def _make(keys: ClusterKeys) -> None:
    authority_key = _private_key(keys.authority.key)
    authority = _name("gennaker-testcluster")
    certificate = (
        _certificate(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign", "digital_signature"), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    _write(keys.authority.certificate, certificate)

    def issue(pair: KeyPair, common_name: str, group: str | None = None) -> None:
        key = _private_key(pair.key)
        alternatives = [x509.DNSName(name) for name in _SERVER_NAMES]
        addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in _SERVER_ADDRESSES]
        issued = (
            _certificate(_name(common_name, group), authority, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([*alternatives, *addresses]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        _write(pair.certificate, issued)

    issue(keys.server, "kube-apiserver")
    issue(keys.admin, "admin", "system:masters")
    issue(keys.scheduler, "system:kube-scheduler")
    public = _private_key(keys.service_account_key).public_key()
    keys.service_account_public_key.write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str, group: str | None = None) -> x509.Name:
    """Name a user as Kubernetes reads it: the common name is the user, the organization a group."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in _USAGES})


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return key


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
