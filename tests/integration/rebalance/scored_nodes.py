"""A real Prometheus that scrapes metrics of nodes and evaluates the rules."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from bare_serfs import CHECKOUT
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance.dimensions import DIMENSIONS
from serflab.rebalance.rules import RuleSettings, rule_groups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

PATIENCE = 180.0
# Longer than a busy machine leaves out scrapes; the values stay the same.
WINDOW = "1m"


class ScoringPrometheus:
    """A running Prometheus at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> dict:
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def scores(self, query: str) -> dict[str, float]:
        """Return the samples of a query by the label `instance`."""
        found = self.ask("query", query=query)["result"]
        return {each["metric"].get("instance", ""): float(each["value"][1]) for each in found}

    def rules(self) -> list[dict]:
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


def exposition(nodes: np.ndarray) -> str:
    """Return metrics, as the exporter has them, of nodes of shape (nodes, 4)."""
    return "".join(
        f'{dimension.metric}{{node="scored-{node}",instance="scored-{node}"}} {value!r}\n'
        for index, dimension in enumerate(DIMENSIONS)
        for node, value in enumerate(nodes[:, index].tolist())
    )


@contextmanager
def scoring_prometheus(directory: Path, port: int, nodes: np.ndarray) -> Iterator[ScoringPrometheus]:
    """Run Prometheus on those nodes, scraped and scored every second, until the end of the `with`."""
    with _served(exposition(nodes).encode()) as exporter:
        command = _prepare(directory, port, exporter)
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            prometheus = ScoringPrometheus(f"http://127.0.0.1:{port}")
            _wait(prometheus, process, len(nodes))
            yield prometheus
        finally:
            process.terminate()
            process.wait(30)


def _prepare(directory: Path, port: int, exporter: int) -> list[str]:
    (directory / "rules.yml").write_text(yaml.safe_dump(rule_groups(RuleSettings(WINDOW))), encoding="utf-8")
    job = {"job_name": "exporter", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [job],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return [
        str(Toolbox(CHECKOUT).path("prometheus")),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def _wait(prometheus: ScoringPrometheus, process: subprocess.Popen[bytes], nodes: int) -> None:
    """Wait until the last of the rules has a sample of every node."""
    last = rule_groups()["groups"][0]["rules"][-1]["record"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if len(prometheus.scores(last)) == nodes:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no scores of {nodes} nodes; Prometheus' status is {process.poll()}")


@contextmanager
def _served(text: bytes) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
