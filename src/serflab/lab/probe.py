"""Asking a program whether it is ready, with as few imports as possible: a container asks itself every few seconds."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 2.0


def answers(url: str, *, authority: Path | None = None, kubeconfig: Path | None = None) -> bool:
    """Whether GET of a URL on this machine is answered with 200.

    The server's certificate is checked against the file `authority`, or against the one in `kubeconfig`, whose
    credentials are then shown as well.
    """
    try:
        context = _context(authority, kubeconfig) if url.startswith("https:") else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(url, timeout=_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, SerflabError):
        # Among them: no such file yet, refused, another status, a certificate that is not the right one.
        return False


def _context(authority: Path | None, kubeconfig: Path | None) -> ssl.SSLContext | None:
    if kubeconfig is None:
        return ssl.create_default_context(cafile=str(authority) if authority else None)
    from serflab.kube.credentials import load_credentials  # noqa: PLC0415 - takes longer than all the rest

    return load_credentials(kubeconfig).ssl_context
