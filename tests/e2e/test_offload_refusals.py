"""What the REST API of a running lab refuses about peerings and virtual pods, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from offloading import OffloadApi
from running_lab import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def api(lab: Any) -> Iterator[OffloadApi]:
    made = OffloadApi(lab.viewer_url)
    until(lambda: made.call("GET", "/liqo-connections").ok)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def taken(api: OffloadApi) -> str:
    """The id of a virtual pod whose name is `taken`."""
    api.connect("serf1", "serf2")
    return api.create("serf1", "serf2", name="taken")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/virtual-pods/create", {"source_node": "serf2", "dest_node": "serf1"}, 409, "not_peered"),
        ("/virtual-pods/create", {"source_node": "serf9"}, 404, "unknown_node"),
        ("/virtual-pods/create", {"workload_template": "nonesuch"}, 404, "unknown_template"),
        ("/virtual-pods/create", {"namespace": "nowhere"}, 404, "unknown_namespace"),
        ("/virtual-pods/create", {"name": "taken"}, 409, "name_taken"),
        ("/virtual-pods/create", {"interval": 0}, 400, "bad_parameter"),
        ("/virtual-pods/vp-001/bring-back", None, 409, "not_offloaded"),
        ("/virtual-pods/vp-999999/bring-back", None, 404, "unknown_virtual_pod"),
        ("/liqo-connections/serf2/serf1/cordon", None, 404, "unknown_connection"),
        ("/liqo-connections", {"from": "serf1", "to": "serf9"}, 404, "unknown_node"),
        ("/liqo-connections", {"from": "serf1", "to": "serf1"}, 400, "bad_parameter"),
    ],
)
def test_what_cannot_be_is_refused_in_words(  # noqa: PLR0917 - the table's columns
    api: OffloadApi, taken: str, path: str, body: Any, status: int, code: str
) -> None:
    if path.endswith("create"):
        body = {"source_node": "serf1", "dest_node": "serf2", "workload_template": "idle", "interval": 2, **body}
    answer = api.call("POST", path.replace("vp-001", taken), body)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["code"]) == (status, status, code)
    assert error["message"]
    assert set(error) == {"status", "code", "message", "hint", "details"}
