"""What guards the viewer: headers on everything, and writes from its own page or from programs only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.mark.parametrize("url", ["/", "/api/topology", "/static/js/main.js", "/nothing", "/api/node/zzz/timeseries"])
def test_every_answer_carries_the_headers(client: FlaskClient, url: str) -> None:
    headers = client.get(url).headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["Content-Security-Policy"].split(";")}
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


# 405 says that a write got past the guard and met an endpoint that only reads.
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 405),
        ({"Origin": "http://localhost"}, 405),
        ({"Sec-Fetch-Site": "same-origin"}, 405),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        # A page of evil.example whose name was made to lead to 127.0.0.1 (DNS rebinding).
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_write_must_come_from_the_viewers_own_page_or_from_a_program(
    client: FlaskClient, method: str, headers: dict[str, str], status: int
) -> None:
    assert client.open("/api/topology", method=method, headers=headers).status_code == status


def test_reading_needs_no_origin(client: FlaskClient) -> None:
    assert client.get("/api/health", headers={"Origin": "http://evil.example"}).status_code == 200
