"""The central Prometheus: its files in the state directory and its command line.

The checkout's `prometheus.yml` and `prometheus-rules.yml` are the user's; what runs are copies beside the list of
targets, which is written from the serfs (file-based service discovery:
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.errors import Finding, InputError
from serflab.lab.inventory import write_atomically
from serflab.lab.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from serflab.lab.inventory import Serf

RETENTION_TIME = "24h"
RETENTION_SIZE = "2GB"


@dataclass(frozen=True, slots=True)
class PrometheusFiles:
    """Where the central Prometheus keeps its files: `directory` in the state directory, the originals in `checkout`."""

    checkout: Path
    directory: Path

    def write(self, port: int) -> bool:
        """Copy configuration and rules beside the targets; return whether anything changed.

        Raises `InputError` when one of the originals cannot be read.
        """
        findings, changed = [], False
        for name, target in (("prometheus.yml", "prometheus.yml"), ("prometheus-rules.yml", "rules/serflab.yml")):
            source = self.checkout / name
            try:
                text = source.read_text(encoding="utf-8").replace("localhost:9091", f"localhost:{port}")
            except (OSError, UnicodeDecodeError) as error:
                findings.append(Finding(str(source), "", f"cannot be read: {error}", "`git checkout` brings it back"))
                continue
            path = self.directory / target
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write_atomically(path, text)
                changed = True
        if findings:
            raise InputError(findings)
        return changed

    def write_targets(self, serfs: Iterable[Serf]) -> None:
        """Write the exporters of the serfs as scrape targets; Prometheus sees the change by itself."""
        targets = [
            {"targets": [serf.exporter.split("//", 1)[1]], "labels": {"serf": serf.name}}
            for serf in sorted(serfs, key=lambda serf: serf.name)
        ]
        write_atomically(self.directory / "targets" / "serfs.json", json.dumps(targets, indent=2) + "\n")

    def command(self, program: Path, port: int) -> tuple[str, ...]:
        """Return the command line of a Prometheus that reads these files and listens on loopback."""
        return (
            str(program),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--storage.tsdb.retention.time={RETENTION_TIME}",
            f"--storage.tsdb.retention.size={RETENTION_SIZE}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        )
