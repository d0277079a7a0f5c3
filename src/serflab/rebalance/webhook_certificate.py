"""The webhook's serving certificate, taken up by new connections whenever it changes, without a restart."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import logging
import ssl
from typing import TYPE_CHECKING

from cryptography import x509

from serflab.errors import SerflabError
from serflab.lab.certificates import issue_server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_RENEW_AT = 2 / 3
"""Of a certificate's lifetime."""


class ServingCertificate:
    """Certificate, key and authority in a directory, and the `context` that serves them.

    A directory with `tls.crt`, `tls.key` and `ca.crt` (as a mounted Secret has them) belongs to somebody else, who
    renews them. Any other is ours: an authority is made there once, and certificates for `hosts` (names or addresses)
    that last `lifetime` are renewed when two thirds of it have passed.
    """

    def __init__(self, directory: Path, hosts: Sequence[str], lifetime: dt.timedelta) -> None:
        self._directory = directory
        self._lifetime = lifetime
        self._names = [host for host in hosts if not _is_address(host)]
        self._addresses = [host for host in hosts if _is_address(host)]
        self._foreign = _is_there(directory / "tls.crt")
        self._loaded: tuple[int, ...] = ()
        self._authority = b""
        self._renew_at = dt.datetime.max.replace(tzinfo=dt.UTC)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self._foreign:
            self._issue()
        self._load()

    @property
    def authority(self) -> bytes:
        """The certificates (PEM) by which clients know the server, as they were when all files fitted together."""
        return self._authority

    async def keep(self) -> None:
        """Renew the certificate in time, and take up every change of the files, until cancelled."""
        told = ""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if dt.datetime.now(dt.UTC) >= self._renew_at:
                    self._issue()
                if self._state() != self._loaded:
                    self._load()
                told = ""
            except (OSError, SerflabError) as error:
                # Of files that are being written the next look sees the whole.
                if str(error) != told:
                    told = str(error)
                    _log.warning("the certificate stays as it is: %s", told)

    @property
    def _files(self) -> tuple[Path, Path, Path]:
        """The certificate, its key and the authority."""
        name = "tls" if self._foreign else "server"
        certificate, key, authority = (self._directory / file for file in (f"{name}.crt", f"{name}.key", "ca.crt"))
        return certificate, key, authority

    def _issue(self) -> None:
        try:
            issue_server(self._directory, self._names, self._addresses, self._lifetime)
        except (OSError, ValueError) as error:
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            message = f"{self._directory}: expected a directory where the webhook can keep its certificates: {reason}"
            hint = "name one that may be written, or is still empty, by --certificates"
            raise SerflabError(message, hint=hint) from error

    def _state(self) -> tuple[int, ...]:
        self._expect_files()
        return tuple(file.stat().st_mtime_ns for file in self._files)

    def _load(self) -> None:
        state = self._state()
        certificate, key, authority = self._files
        try:
            # First elsewhere: a pair that does not fit would take from the context what it has.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
            parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        except (ssl.SSLError, ValueError, OSError) as error:
            hint = "expected a certificate and the private key that belongs to it, both as PEM"
            raise SerflabError(f"{certificate} and {key} cannot be used: {error}", hint=hint) from error
        self._authority = _certificates(authority)
        self.context.load_cert_chain(certificate, key)
        end = parsed.not_valid_after_utc
        if not self._foreign:
            self._renew_at = end - self._lifetime * (1 - _RENEW_AT)
        self._loaded = state
        _log.info("the certificate is valid until %s", end.isoformat(timespec="seconds"))

    def _expect_files(self) -> None:
        missing = ", ".join(file.name for file in self._files if not _is_there(file))
        if missing:
            hint = "beside tls.crt belong tls.key and ca.crt; without tls.crt the webhook makes all of them itself"
            raise SerflabError(f"{self._directory}: {missing} missing", hint=hint if self._foreign else "")


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:
        hint = "name a directory that may be read by --certificates"
        raise SerflabError(f"{file} cannot be looked at: {error.strerror}", hint=hint) from error


def _certificates(file: Path) -> bytes:
    """Return what a file of certificates (PEM) holds; `SerflabError` when it holds anything else."""
    try:
        found = file.read_bytes()
        x509.load_pem_x509_certificates(found)
    except (ValueError, OSError) as error:
        hint = "expected the certificate of the authority that has signed the server's, as PEM"
        raise SerflabError(f"{file} cannot be used: {error}", hint=hint) from error
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
