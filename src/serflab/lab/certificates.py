"""The certificates of one serf: its own authority, its servers' and its clients' certificates, its service-account key.

Who is who follows https://kubernetes.io/docs/setup/best-practices/certificates/. Certificates last ten years: a lab is
thrown away long before. The authority's key is RSA, all others are P-256: the API server checks the signature below a
client's certificate at every request, and that of RSA is the cheapest to check.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LIFETIME = dt.timedelta(days=3650)
_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Pki:
    """The files of a serf's PKI in one directory."""

    directory: Path

    def certificate(self, name: str) -> Path:
        """Return the file of a certificate: `ca`, `server` or one of `CLIENTS`."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the file of the private key that belongs to the certificate, or of `service-account`."""
        return self.directory / f"{name}.key"

    @property
    def service_account_public_key(self) -> Path:
        """Return the file of the key that checks service-account tokens."""
        return self.directory / "service-account.pub"

    @property
    def complete(self) -> bool:
        """Whether all files were written to the end."""
        return (self.directory / _COMPLETE).exists()


CLIENTS = {
    "admin": ("kubernetes-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", "system:masters"),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
    "etcd-client": ("kube-apiserver", ""),
}
"""Client certificates by file name: (user, group) as Kubernetes reads them from the subject."""


def issue_pki(directory: Path, names: Sequence[str], addresses: Sequence[str], *, renewable: bool = False) -> Pki:
    """Return the PKI in that directory; issue it when it is not there yet.

    The server certificate is valid for the DNS names and IP addresses given; private keys are for the user only. The
    authority's key is thrown away, unless the PKI is to be `renewable`: then the server certificate is issued anew each
    time, and all others stay.
    """
    pki = Pki(directory)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if pki.complete:
        if renewable:
            _Authority.read(pki).issue(pki, "server", "serflab", "", alternatives)
        return pki
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _Authority.new("serflab")
    _write(pki.certificate("ca"), authority.certificate.public_bytes(serialization.Encoding.PEM))
    if renewable:
        _write(pki.key("ca"), _private_pem(authority.key))
    authority.issue(pki, "server", "serflab", "", alternatives)
    for name, (user, group) in CLIENTS.items():
        authority.issue(pki, name, user, group, [])
    key = ec.generate_private_key(ec.SECP256R1())
    _write(pki.key("service-account"), _private_pem(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(pki.service_account_public_key, public)
    (directory / _COMPLETE).touch()
    return pki


def issue_server(
    directory: Path, names: Sequence[str], addresses: Sequence[str], lifetime: dt.timedelta = _LIFETIME
) -> Pki:
    """Issue a server certificate, each time anew, by an authority of its own that the directory keeps."""
    pki = Pki(directory)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if not pki.complete:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = _Authority.new("serflab")
        _write(pki.key("ca"), _private_pem(authority.key))
        _write(pki.certificate("ca"), authority.certificate.public_bytes(serialization.Encoding.PEM))
        (directory / _COMPLETE).touch()
    _Authority.read(pki).issue(pki, "server", "serflab", "", alternatives, lifetime)
    return pki


def kubeconfig(pki: Pki, client: str, cluster: str, server: str) -> str:
    """Return a kubeconfig (YAML) with everything in it, so that the file works wherever it is taken."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": cluster,
                    "cluster": {"server": server, "certificate-authority-data": _encoded(pki.certificate("ca"))},
                }
            ],
            "users": [
                {
                    "name": client,
                    "user": {
                        "client-certificate-data": _encoded(pki.certificate(client)),
                        "client-key-data": _encoded(pki.key(client)),
                    },
                }
            ],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": client}}],
            "current-context": cluster,
        },
        sort_keys=False,
    )


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @classmethod
    def new(cls, name: str) -> _Authority:
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}-ca")])
        usage = _key_usage(signs_certificates=True)
        certificate = (
            _builder(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def read(cls, pki: Pki) -> _Authority:
        """Return the authority of a renewable PKI."""
        key = serialization.load_pem_private_key(pki.key("ca").read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise SerflabError(f"{pki.key('ca')} is not a key that serflab made", hint="remove the serf's data")
        return cls(x509.load_pem_x509_certificate(pki.certificate("ca").read_bytes()), key)

    def issue(  # noqa: PLR0913, PLR0917 - what a certificate says
        self,
        pki: Pki,
        name: str,
        user: str,
        group: str,
        alternatives: list[x509.GeneralName],
        lifetime: dt.timedelta = _LIFETIME,
    ) -> None:
        """Write a certificate and its key: for client and server use with alternative names, else for clients only."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        if group:
            attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if alternatives else [])
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(x509.Name(attributes), self.certificate.subject, key.public_key(), lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        _write(pki.key(name), _private_pem(key))
        _write(pki.certificate(name), certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    lifetime: dt.timedelta = _LIFETIME,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - mode at creation
        file.write(content)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
