"""Which viewer `serflab offload` talks to, with which token, and what is told when none answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from serflab.cli.viewer_client import DEFAULT_URL, path, viewer_url
from serflab.errors import SerflabError
from serflab.lab.inventory import Inventory

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def lab_of(state_dir, viewer):
    """Let a lab be up whose viewer is the stand-in."""
    Inventory("lab", "local", Path("topology.yaml"), (), "http://127.0.0.1:9", viewer.url).save(state_dir)


class TestUrl:
    def test_that_of_the_option_before_and_after_the_command(self, serflab, viewer, monkeypatch):
        monkeypatch.setenv("SERFLAB_URL", NOBODY)
        assert serflab("offload", "--url", viewer.url, "list").status == 0
        assert serflab("offload", "list", "--url", viewer.url).status == 0
        assert serflab("offload", "--url", NOBODY, "list", "--url", viewer.url).status == 0

    @pytest.mark.usefixtures("lab_of")
    def test_then_that_of_the_environment(self, serflab, viewer, monkeypatch):
        monkeypatch.setenv("SERFLAB_URL", f"{viewer.url}/")
        assert serflab("offload", "list").status == 0
        assert [item.path for item in viewer.requests] == ["/api/virtual-pods"]

    @pytest.mark.usefixtures("lab_of")
    def test_then_that_of_the_lab(self, serflab, viewer):
        assert serflab("offload", "list").status == 0
        assert len(viewer.requests) == 1

    def test_then_port_8080_of_this_host(self, monkeypatch, state_dir):
        monkeypatch.setenv("SERFLAB_STATE", str(state_dir))
        monkeypatch.delenv("SERFLAB_URL", raising=False)
        assert viewer_url() == DEFAULT_URL == "http://127.0.0.1:8080"

    @pytest.mark.parametrize(
        ("given", "url"),
        [
            ("localhost:8080", "http://localhost:8080"),
            ("https://lab.example/", "https://lab.example"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ],
    )
    def test_what_people_write(self, given, url):
        assert viewer_url(given) == url

    @pytest.mark.parametrize("given", ["ftp://lab", "http://", "http://lab:port", "http://lab:99999", "http://[::1"])
    def test_what_is_no_url_is_status_2(self, given):
        with pytest.raises(SerflabError, match="is no URL of a viewer") as caught:
            viewer_url(given)
        assert caught.value.exit_status == 2

    def test_names_in_a_path_are_quoted(self):
        assert path("virtual-pods", "../x?y") == "/api/virtual-pods/..%2Fx%3Fy"


class TestToken:
    def test_none_is_sent_where_none_is_given(self, offload, viewer):
        offload("list")
        assert [item.authorization for item in viewer.requests] == [None]

    def test_that_of_the_environment_and_the_option_is_stronger(self, offload, viewer, monkeypatch):
        monkeypatch.setenv("SERFLAB_VIEWER_TOKEN", "from-the-environment")
        offload("list")
        offload("list", "--token", "given")
        assert [item.authorization for item in viewer.requests] == ["Bearer from-the-environment", "Bearer given"]


class TestNobodyAnswers:
    def test_it_is_status_1_and_says_where_it_asked(self, serflab):
        failed = serflab("offload", "list", "--url", NOBODY)
        assert (failed.status, failed.out) == (1, "")
        assert failed.err.startswith(f"error: no viewer answers at {NOBODY}\n  hint: is the lab up?")

    def test_something_else_answers(self, offload, viewer):
        viewer.answers["GET", "/api/virtual-pods"] = 200, b"<html>"
        failed = offload("list")
        assert failed.status == 1
        assert f"what answers at {viewer.url} is no viewer of a lab" in failed.err

    def test_a_viewer_that_does_not_know_the_call(self, offload, viewer):
        del viewer.answers["GET", "/api/virtual-pods"]
        failed = offload("list")
        assert failed.status == 1
        assert f"the viewer does not know {viewer.url}/api/virtual-pods\n" in failed.err


def test_no_proxy_stands_between_two_programs_of_one_machine(offload, monkeypatch):
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert offload("list").status == 0
