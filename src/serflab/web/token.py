"""The token without which nobody changes anything on a viewer that other machines reach."""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING

from flask import request

from serflab.errors import Finding, InputError
from serflab.web.errors import ApiError

if TYPE_CHECKING:
    from serflab.web.settings import Settings

TOKEN_ENV = "SERFLAB_VIEWER_TOKEN"  # noqa: S105  the name of a variable
_SHORTEST = 16
_RANDOM_BYTES = 24


def write_token(settings: Settings) -> str | None:
    """Return the token for writes: `$SERFLAB_VIEWER_TOKEN`, else a new one; None on loopback, where none is needed.

    Raises `InputError` for a token that is too short or that no header can carry.
    """
    if settings.loopback:
        return None
    given = os.environ.get(TOKEN_ENV, "")
    if not given:
        return secrets.token_urlsafe(_RANDOM_BYTES)
    if len(given) < _SHORTEST or not all("!" <= character <= "~" for character in given):
        problem = f"expected at least {_SHORTEST} printable ASCII characters without spaces"
        hint = "leave it unset, and the viewer makes one"
        raise InputError([Finding(f"${TOKEN_ENV}", "", problem, hint)])
    return given


def announcement(settings: Settings, token: str) -> str:
    """Return what is told at the start: that writes need the token, what it is, and how it is used."""
    # One that was given need not be told.
    shown = f"${TOKEN_ENV}" if os.environ.get(TOKEN_ENV) == token else token
    bearer = f'"Authorization: Bearer {shown}"'
    return "\n".join(
        (
            f"{settings.host} is reached from other machines: whoever opens {settings.url} sees the whole lab.",
            f"Changing something needs the token {shown}",
            "  on the page: it asks for the token with the first change",
            f"  with curl: curl -X DELETE -H {bearer} {settings.url}/api/positions",
            f"  to choose it: set {TOKEN_ENV} before the start",
        )
    )


def check_token(token: str) -> None:
    """Refuse a request that does not carry the token; compared in constant time."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return
    message = "the token is wrong" if kind else "changing something on this viewer needs its token"
    raise ApiError(
        401,
        "token_required",
        message,
        hint="send it as `Authorization: Bearer <token>`; the viewer told it at its start",
    )
