"""The real descheduler as one process outside of a cluster: its command line, and what has to be there for it.

Flags: `descheduler --help` of v0.36. Its log is JSON (one object a line), which `serflab.rebalance.cycles` reads.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from serflab.lab.ports import LOOPBACK
from serflab.rebalance import in_cluster

EVICTIONS_IN_BACKGROUND = "EvictionsInBackground"
"""The feature gate without which each refused eviction is an error and the next pod is tried, past all limits."""
_VERBOSITY = 3
"""Evictions in the background are told from 3 on."""


@dataclass(frozen=True, slots=True)
class Descheduler:
    """How the descheduler is run: its program and files, seconds between two cycles, the port of its HTTPS metrics.

    `kubeconfig` decides which API server it speaks to; `authority` is the CA certificate that it insists on for
    Prometheus, also for one without TLS; `certificate` and `key` are those of its metrics.
    """

    program: Path
    kubeconfig: Path
    policy: Path
    interval: float
    port: int
    authority: Path
    certificate: Path
    key: Path

    @property
    def command(self) -> tuple[str, ...]:
        """Return its command line, in the environment of a pod that is its own."""
        return in_cluster.command(Path(sys.executable), self.authority, (str(self.program), *self.flags))

    @property
    def flags(self) -> tuple[str, ...]:
        """Return its own flags."""
        return (
            f"--client-connection-kubeconfig={self.kubeconfig}",
            f"--policy-config-file={self.policy}",
            f"--descheduling-interval={self.interval:g}s",
            f"--feature-gates={EVICTIONS_IN_BACKGROUND}=true",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.certificate}",
            f"--tls-private-key-file={self.key}",
            "--logging-format=json",
            f"--v={_VERBOSITY}",
        )
