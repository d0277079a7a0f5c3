"""An exporter as a process, and what it shows."""

from __future__ import annotations

import urllib.error
import urllib.request

from programs import eventually, free_port
from prometheus_client.parser import text_string_to_metric_families

METRICS = ("cpu_millicores", "memory_mi", "power_watts", "psi_percent")


class Exporter:
    """A running exporter, and what it shows."""

    def __init__(self, emulation, *arguments):
        self.emulation = emulation
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.program = emulation.start("expose_metrics", f"--port={port}", "--update-interval=0.1", *arguments)
        eventually(self.ready, f"/readyz, the log is {self.program.text()}")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return response.read().decode()

    def ready(self):
        try:
            return self.get("/readyz")
        except (urllib.error.URLError, ConnectionError):
            return None

    def scrape(self):
        """Return all samples, by name and label values."""
        families = text_string_to_metric_families(self.get("/metrics"))
        return {
            (sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples
        }

    def pods(self, scrape):
        """Return (cpu, memory, power, psi) of each of the test's pods."""
        namespaces = self.emulation.data["namespaces"]
        shown = {}
        for position, metric in enumerate(METRICS):
            for key, value in scrape.items():
                if key[0] == f"emulation_pod_{metric}" and key[1] in namespaces:
                    shown.setdefault(key[2], [None] * 4)[position] = value
        return {name: tuple(values) for name, values in shown.items()}
