"""The API under fire: schemathesis makes requests from the served OpenAPI document, fitting ones and others.

Every answer must have a documented status, content type and body; no 5xx but the documented.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from offloading import OffloadApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = 20
SCHEMATHESIS = (sys.executable, "-m", "schemathesis.cli")
# Which of its own checks do not fit: a serf that is not up is a 503, a range that goes backwards a 400, both documented
# (api_fuzz_checks looks at them instead).
REPLACED = "not_a_server_error,positive_data_acceptance"


@pytest.fixture
def real_names(lab: Any, tmp_path: Path) -> Path:
    """A configuration that has half of the names be those of real things, so that requests reach what lies behind."""
    serf = lab.inventory.serfs[0].name
    info = requests.get(f"{lab.viewer_url}/api/node/{serf}/cluster-info", timeout=20).json()
    pods = [(pod["namespace"], pod["name"]) for pod in info["pods"]][:20]
    templates = requests.get(f"{lab.viewer_url}/api/workload-templates", timeout=20).json()["templates"]
    dictionaries = {
        "templates": [template["name"] for template in templates],
        "virtual_pods": ["vp-001", "vp-002"],
        "serfs": [item.name for item in lab.inventory.serfs],
        "namespaces": sorted({namespace for namespace, _ in pods}),
        "pods": [name for _, name in pods],
        "assets": ["index.html", "js/main.js"],
    }
    lines = ["max-stream-events = 1"]
    lines += [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in dictionaries.items()]
    lines.append("[parameters]")
    for parameter, dictionary in (
        ("path.node", "serfs"), ("path.namespace", "namespaces"), ("path.pod", "pods"), ("path.name", "assets"),
        ("path.template", "templates"), ("path.virtual_pod", "virtual_pods"), ("path.consumer", "serfs"),
        ("path.provider", "serfs"), ("query.node", "serfs"), ("body.from", "serfs"), ("body.to", "serfs"),
        ("body.source_node", "serfs"), ("body.dest_node", "serfs"), ("body.workload_template", "templates"),
        ("body.namespace", "namespaces"), ("body.pod", "pods"),
    ):  # fmt: skip
        lines.append(f'"{parameter}" = {{dictionary = "{dictionary}", probability = 0.5}}')
    # Of the series, `from` and `to` are numbers.
    lines.append('[[operations]]\ninclude-operation-id = "disconnect"\n[operations.parameters]')
    lines += [f'"query.{end}" = {{dictionary = "serfs", probability = 0.5}}' for end in ("from", "to")]
    file = tmp_path / "schemathesis.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def fuzz(lab: Any, tmp_path: Path, real_names: Path) -> Iterator[Callable[..., None]]:
    def run(*options: str) -> None:
        command = [
            *SCHEMATHESIS, f"--config-file={real_names}", "run", f"{lab.viewer_url}/api/openapi.json",
            "--phases=examples,coverage,fuzzing", f"--max-examples={EXAMPLES}", "--generation-deterministic",
            f"--exclude-checks={REPLACED}", "--continue-on-failure", "--warnings=off", "--no-color", *options,
        ]  # fmt: skip
        here = Path(__file__).parent
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "api_fuzz_checks", "PYTHONPATH": str(here)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    yield run
    # Fuzzing may peer serfs, and move pods between them: all of it is taken back.
    OffloadApi(lab.viewer_url).clear()


def test_no_request_gets_an_answer_that_is_not_documented(fuzz: Callable[..., None]) -> None:
    fuzz()
