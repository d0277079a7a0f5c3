"""What guards the viewer: response headers, and the check that a write comes from its own page.

Sources: OWASP HTTP Headers and Cross-Site Request Forgery Prevention cheat sheets; Fetch Metadata (W3C).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, request

from serflab.web.errors import ApiError
from serflab.web.settings import LOOPBACK
from serflab.web.token import check_token

if TYPE_CHECKING:
    from serflab.web.settings import Settings

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    # The graph draws its icons from data: addresses, and a picture of it is saved from a blob: one.
    "img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OWN_PAGE = "use the viewer's own page"
HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def check_write_origin(settings: Settings) -> None:
    """Refuse a write that another site's page sent, or that reached a loopback viewer under a foreign name.

    Programs such as curl send neither Origin nor Sec-Fetch-Site and pass; browsers always send one of them.
    """
    host = request.host
    if settings.loopback and _hostname(f"//{host}") not in LOOPBACK:
        raise ApiError(403, "foreign_host", f"a write to host {host!r} is refused", hint=f"use {settings.url}")
    origin = request.headers.get("Origin")
    if origin is not None:
        if urlsplit(origin).netloc != host:
            raise ApiError(403, "foreign_origin", f"a write from {origin!r} is refused", hint=_OWN_PAGE)
        return
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise ApiError(403, "foreign_origin", "a write from another site is refused", hint=_OWN_PAGE)


def install_security(app: Flask, settings: Settings, token: str | None) -> None:
    """Check every write and set the security headers of every response; without a `token` writes need none."""

    @app.before_request
    def _guard() -> None:
        if request.method not in _READS:
            check_write_origin(settings)
            if token is not None:
                check_token(token)

    @app.after_request
    def _headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
