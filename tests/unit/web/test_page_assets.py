"""The page's files: what is served and what is not, compressed, and not sent twice."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serflab.web.page import VENDOR

if TYPE_CHECKING:
    from flask.testing import FlaskClient

FLASK_APP = Path(__file__).parents[3] / "flask-app"


def test_the_page_is_at_the_root(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")


@pytest.mark.parametrize(
    "url", ["/static/../config.json", "/static/%2e%2e/%2e%2e/topology.yaml", "/static//etc/passwd", "/static/none.js"]
)
def test_nothing_outside_the_static_files_is_served(client: FlaskClient, url: str) -> None:
    assert client.get(url, follow_redirects=True).status_code == 404


def test_packages_are_served_from_the_allowlist_alone(client: FlaskClient, checkout: Path) -> None:
    package = checkout / "flask-app" / "node_modules" / "uplot" / "dist"
    package.mkdir(parents=True)
    (package / "uPlot.esm.js").write_text("export default 1")
    (package / "other.js").write_text("export default 2")
    assert client.get("/vendor/uplot.js").mimetype == "text/javascript"
    assert client.get("/vendor/other.js").status_code == 404
    assert client.get("/vendor/uplot%2Fdist%2Fother.js").status_code == 404


def test_a_package_that_is_not_installed_says_how_to_install_it(client: FlaskClient) -> None:
    error = client.get("/vendor/cytoscape.js").get_json()["error"]
    assert (error["status"], error["code"]) == (404, "packages_missing")
    assert "npm ci --omit=dev --ignore-scripts" in error["hint"]


def test_every_package_of_the_allowlist_is_locked_without_a_download_address() -> None:
    lock = json.loads((FLASK_APP / "package-lock.json").read_text())
    packages = {name.removeprefix("node_modules/"): entry for name, entry in lock["packages"].items() if name}
    # Those of the tests alone are never served.
    served = {name for name, entry in packages.items() if not entry.get("dev")}
    assert {path.split("/")[0] for path in VENDOR.values()} == served
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


@pytest.mark.parametrize("url", ["/static/js/main.js", "/api/openapi.json"])
def test_what_gains_from_it_is_compressed_for_those_who_accept_it(client: FlaskClient, url: str) -> None:
    plain = client.get(url)
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data)


def test_an_asset_is_sent_again_only_after_it_changed(client: FlaskClient, checkout: Path) -> None:
    first = client.get("/static/js/main.js")
    again = {"If-None-Match": first.headers["ETag"]}
    assert first.headers["Cache-Control"] == "no-cache"
    assert client.get("/static/js/main.js", headers=again).status_code == 304
    (checkout / "flask-app" / "static" / "js" / "main.js").write_text("// changed")
    assert client.get("/static/js/main.js", headers=again).status_code == 200


def test_answers_of_the_api_are_never_kept(client: FlaskClient) -> None:
    assert client.get("/api/topology").headers["Cache-Control"] == "no-store"


def test_the_page_names_no_other_host_and_holds_no_inline_code() -> None:
    for file in [
        *FLASK_APP.glob("static/**/*.html"),
        *FLASK_APP.glob("static/**/*.js"),
        *FLASK_APP.glob("static/**/*.css"),
    ]:
        # The name of SVG's namespace is no address: nothing is ever asked from there.
        text = file.read_text().replace('"http://www.w3.org/2000/svg"', "")
        assert "http://" not in text, file
        assert "https://" not in text, file
        assert " style=" not in text, file
    index = (FLASK_APP / "static" / "index.html").read_text()
    assert index.count("<script") == index.count('<script type="module" src=')


def test_the_dark_theme_is_the_same_by_the_systems_choice_and_by_the_users() -> None:
    """CSS cannot share a block of properties between a media query and an attribute, so it stands there twice."""
    style = (FLASK_APP / "static" / "css" / "base.css").read_text(encoding="utf-8")
    chosen, system = (
        re.findall(
            r"(--[\w-]+|color-scheme): ([^;]+);", re.search(rf"{re.escape(selector)} {{(.*?)}}", style, re.DOTALL)[1]
        )  # type: ignore[index]
        for selector in (':root[data-theme="dark"]', ':root:not([data-theme="light"])')
    )
    assert len(chosen) > 20
    assert chosen == system
