"""Why a call to a program was not carried out, as its REST API tells it."""

from __future__ import annotations

from typing import Any

from serflab.errors import SerflabError


class Refusal(SerflabError):  # noqa: N818 - nothing went wrong: the caller asked for what cannot be
    """A call that is refused: HTTP status, a code for programs, a message and a hint for people."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str = "", details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.details = details or {}

    def body(self) -> dict[str, Any]:
        """Return the error in the shape that the whole REST API has below the key `error`."""
        return {
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": self.details,
        }
