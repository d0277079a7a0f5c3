"""The one shape of errors also for requests that never reach the application: malformed, or far too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from serflab.web.errors import ApiError
from serflab.web.security import HEADERS

if TYPE_CHECKING:
    from waitress.utilities import Error


class _JsonErrorTask(ErrorTask):
    """Answers what waitress found wrong with a request."""

    def execute(self) -> None:
        request: Any = self.request  # waitress' type stubs take the request for the error that it holds
        body = orjson.dumps({"error": _told(request.error).body()})
        self.status = f"{request.error.code} {request.error.reason}"
        self.response_headers = [*self.response_headers, ("Content-Type", "application/json"), *HEADERS.items()]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class JsonErrorChannel(HTTPChannel):
    """A connection whose malformed requests are answered in JSON."""

    error_task_class = _JsonErrorTask


def _told(error: Error) -> ApiError:
    code = error.reason.lower().replace(" ", "_")
    if error.code >= 500 and error.code != 501:
        # Its text may hold what only the log should.
        return ApiError(error.code, "fault", "the viewer has a fault", hint="its log holds the details")
    return ApiError(error.code, code, error.body or error.reason)
