"""What the fuzzing of the API checks beside schemathesis' own checks; loaded by it through SCHEMATHESIS_HOOKS."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, Response
    from schemathesis.core.deserialization import DeserializationContext

# What the API documents for a lab whose topology has more serfs than are up.
UNAVAILABLE = {"serf_absent"}
# What a schema cannot say: whether both ends of a range fit together, and which nodes there are.
REFUSED = {"bad_positions"}
RANGE = {"from", "to", "window"}
# ... and what Kubernetes takes for a quantity or a name, or that one of two fields is given.
FIELDS = {"cpu", "memory", "name", "namespace", "pod", "source_pod", "workload_template"}


@schemathesis.check
def a_server_error_is_a_documented_one(ctx: CheckContext, response: Response, case: Case) -> None:  # noqa: ARG001
    if response.status_code >= 500:
        assert response.status_code == 503, response.text
        error = response.json()["error"]
        assert error["code"] in UNAVAILABLE, error
        assert response.headers["retry-after"] == ["5"]


@schemathesis.check
def what_fits_the_schema_is_refused_only_for_what_a_schema_cannot_say(
    ctx: CheckContext,  # noqa: ARG001
    response: Response,
    case: Case,
) -> None:
    if response.status_code == 400 and case.meta and not case.meta.generation.mode.is_negative:
        error = response.json()["error"]
        assert error["code"] in REFUSED or error["details"].get("parameter") in RANGE | FIELDS, error


@schemathesis.check
def every_error_has_the_one_shape_and_shows_nothing_of_the_inside(
    ctx: CheckContext,  # noqa: ARG001
    response: Response,
    case: Case,  # noqa: ARG001
) -> None:
    if response.status_code >= 400 and response.request.method != "HEAD":
        error = response.json()["error"]
        assert set(error) == {"status", "code", "message", "hint", "details"}
        assert error["status"] == response.status_code
        assert not re.search(r"Traceback|File \".*\", line|site-packages", response.text)


@schemathesis.deserializer("text/csv")
def table(ctx: DeserializationContext, response: Response) -> str:  # noqa: ARG001
    """Read a CSV answer to its end; every row has as many cells as the header."""
    text = response.content.decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header[0] == "time"
    assert all(len(row) == len(header) for row in rows)
    return text
