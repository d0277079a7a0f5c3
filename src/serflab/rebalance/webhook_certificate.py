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
        self._foreign = (directory / "tls.crt").exists()
        self._loaded: tuple[int, ...] = ()
        self._renew_at = dt.datetime.max.replace(tzinfo=dt.UTC)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self._foreign:
            self._issue()
        self._load()

    @property
    def authority(self) -> bytes:
        """The certificates (PEM) by which clients know the server."""
        return (self._directory / "ca.crt").read_bytes()

    async def keep(self) -> None:
        """Renew the certificate in time, and take up every change of the files, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if dt.datetime.now(dt.UTC) >= self._renew_at:
                    self._issue()
                if self._state() != self._loaded:
                    self._load()
            except (OSError, ValueError, SerflabError) as error:
                # Of files that are being written the next look sees the whole.
                _log.warning("the certificate stays as it is: %s", error)

    @property
    def _files(self) -> tuple[Path, Path]:
        name = "tls" if self._foreign else "server"
        return self._directory / f"{name}.crt", self._directory / f"{name}.key"

    def _issue(self) -> None:
        issue_server(self._directory, self._names, self._addresses, self._lifetime)

    def _state(self) -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in self._files)

    def _load(self) -> None:
        state = self._state()
        certificate, key = self._files
        try:
            # First elsewhere: a pair that does not fit would take from the context what it has.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
            self.context.load_cert_chain(certificate, key)
            parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        except (ssl.SSLError, ValueError, OSError) as error:
            raise SerflabError(f"{certificate} and {key} cannot be used: {error}") from error
        end = parsed.not_valid_after_utc
        if not self._foreign:
            self._renew_at = end - self._lifetime * (1 - _RENEW_AT)
        self._loaded = state
        _log.info("the certificate is valid until %s", end.isoformat(timespec="seconds"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
