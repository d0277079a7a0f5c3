"""On another host than loopback, nothing is changed without the token."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from serflab.errors import InputError
from serflab.web.app import create_app
from serflab.web.token import announcement, write_token

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from serflab.lab.observer import LabObserver
    from serflab.web.settings import Settings

TOKEN = "a-token-of-some-length"
URL = "/api/positions"


@pytest.fixture
def reachable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("SERFLAB_VIEWER_TOKEN", raising=False)
    return replace(settings, host="0.0.0.0")


@pytest.fixture
def guarded(reachable: Settings, observer: LabObserver) -> FlaskClient:
    return create_app(reachable, observer, token=TOKEN).test_client()


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", "Bearer wrong", "Bearer é", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_a_write_without_the_token_is_refused(guarded: FlaskClient, method: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = guarded.open(URL, method=method, headers=headers, json={"positions": {}})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "token_required")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_with_the_token_it_is_done(guarded: FlaskClient, kind: str) -> None:
    headers = {"Authorization": f"{kind} {TOKEN}"}
    assert guarded.put(URL, headers=headers, json={"positions": {}}).status_code == 200


def test_reading_needs_no_token_and_health_says_that_writing_does(guarded: FlaskClient, client: FlaskClient) -> None:
    assert guarded.get("/api/topology").status_code == 200
    assert guarded.get("/api/health").get_json()["writes"] == {"token_required": True}
    assert client.get("/api/health").get_json()["writes"] == {"token_required": False}


def test_a_token_is_no_leave_for_other_sites_pages(guarded: FlaskClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}
    assert guarded.delete(URL, headers=headers).get_json()["error"]["code"] == "foreign_origin"


def test_on_loopback_there_is_none(settings: Settings, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERFLAB_VIEWER_TOKEN", TOKEN)
    assert write_token(settings) is None
    assert client.delete(URL).status_code == 200


def test_an_application_without_a_given_token_is_closed_all_the_same(
    reachable: Settings, observer: LabObserver
) -> None:
    client = create_app(reachable, observer).test_client()
    assert client.delete(URL, headers={"Authorization": "Bearer "}).status_code == 401


def test_a_made_token_is_long_different_each_time_and_told_with_its_use(reachable: Settings) -> None:
    first, second = write_token(reachable), write_token(reachable)
    assert first is not None
    assert first != second
    assert re.fullmatch(r"[\w-]{32,}", first)
    told = announcement(reachable, first)
    assert f"the token {first}" in told
    assert f'curl -X DELETE -H "Authorization: Bearer {first}" http://127.0.0.1:8080/api/positions' in told


def test_a_chosen_token_is_used_and_not_told(reachable: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERFLAB_VIEWER_TOKEN", TOKEN)
    assert write_token(reachable) == TOKEN
    told = announcement(reachable, TOKEN)
    assert TOKEN not in told
    assert '"Authorization: Bearer $SERFLAB_VIEWER_TOKEN"' in told


@pytest.mark.parametrize("token", ["short", "with a space in it", "é" * 20, "line\nbreak" * 3])
def test_a_token_that_is_weak_or_fits_no_header_is_refused(
    reachable: Settings, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("SERFLAB_VIEWER_TOKEN", token)
    with pytest.raises(InputError) as caught:
        write_token(reachable)
    assert caught.value.exit_status == 2
    assert token not in str(caught.value)


def test_no_log_line_holds_the_token(guarded: FlaskClient, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    for given in (TOKEN, f"{TOKEN}x"):
        guarded.delete(URL, headers={"Authorization": f"Bearer {given}"})
    assert TOKEN not in caplog.text
