"""The replay's marker: what its Lease `serflab-replay` in kube-system says of the clock and of the last complete tick.

The replay writes it, the exporter reads it. A Lease is the object that Kubernetes has for "who does this, and is he
alive": https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from serflab.emulation.names import LEASE_NAME, LEASE_NAMESPACE, REPLAY_PREFIX
from serflab.traces.sampling import Clock

Mode = Literal["annotations", "clock"]
State = Literal["settled", "writing"]

_FRESH_INTERVALS: Final = 3
_FRESH_AT_LEAST_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Marker:
    """The replay as its Lease shows it.

    `resource_version` is the latest that any patch up to and including `tick` was acknowledged with. `state` is
    `settled` while no patch is on its way: then the Lease's own version (`lease_version`) is a moment at which the
    annotations showed `tick` and nothing of the next one. While it is `writing`, only `resource_version` is such a
    moment. Before the first complete tick `tick` is -1. `guests` are the pods of other serfs that are played beside the
    config's. Times are epoch seconds.
    """

    fingerprint: str
    start: float
    interval: float
    loop: bool
    phase: int
    mode: Mode = "annotations"
    state: State = "writing"
    tick: int = -1
    time_index: int = 0
    resource_version: int = 0
    lag: float = 0.0
    patches: int = 0
    failures: int = 0
    skipped: int = 0
    missing: int = 0
    guests: int = 0
    holder: str = ""
    renewed: float = 0.0
    duration: int = 0
    lease_version: int = 0

    def clock(self, length: int) -> Clock:
        """Return the clock of this replay for series of `length` points."""
        return Clock(self.start, self.interval, length, self.loop, self.phase)

    def same_replay(self, other: Marker) -> bool:
        """Whether both play the same thing in the same way, so that one may go on where the other stopped."""
        return (self.fingerprint, self.interval, self.loop, self.phase) == (
            other.fingerprint,
            other.interval,
            other.loop,
            other.phase,
        )

    def continued(self, before: Marker) -> Marker:
        """Return this marker with the clock, the last complete tick and the counts of an earlier replay of the same."""
        return replace(
            before,
            mode=self.mode,
            state="writing",
            guests=0,
            holder=self.holder,
            renewed=self.renewed,
            duration=self.duration,
        )

    def held(self, now: float) -> bool:
        """Whether somebody holds the Lease at `now` (epoch seconds)."""
        return bool(self.holder) and now < self.renewed + self.duration

    def fresh(self, now: float, *, listening_since: float = 0.0) -> bool:
        """Whether the replay was alive lately: within three intervals, but at least 30 s (a hold-up is no death).

        Who listens only since `listening_since` may have missed it and has to wait as long from there.
        """
        silence = now - max(self.renewed, listening_since)
        return silence <= max(_FRESH_INTERVALS * self.interval, _FRESH_AT_LEAST_SECONDS)

    @property
    def bound(self) -> int:
        """The latest version at which the annotations show exactly `tick`."""
        return self.lease_version if self.state == "settled" else self.resource_version

    def body(self) -> dict[str, Any]:
        """Return the Lease; with `lease_version` it replaces just that version."""
        values = {
            "start": repr(self.start),
            "interval": repr(self.interval),
            "loop": "true" if self.loop else "false",
            "phase": str(self.phase),
            "mode": self.mode,
            "state": self.state,
            "config": self.fingerprint,
            "tick": str(self.tick),
            "time-index": str(self.time_index),
            "resource-version": str(self.resource_version),
            "lag-seconds": f"{self.lag:.3f}",
            "patches-total": str(self.patches),
            "patch-failures-total": str(self.failures),
            "skipped-ticks-total": str(self.skipped),
            "missing-pods": str(self.missing),
            "guests": str(self.guests),
        }
        metadata: dict[str, Any] = {
            "name": LEASE_NAME,
            "namespace": LEASE_NAMESPACE,
            "annotations": {f"{REPLAY_PREFIX}{key}": value for key, value in values.items()},
        }
        if self.lease_version:
            metadata["resourceVersion"] = str(self.lease_version)
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration,
            "renewTime": _micro_time(self.renewed),
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def read_marker(lease: dict[str, Any]) -> Marker | None:
    """Return what a Lease says; None when it is none of ours (its annotations are missing or broken)."""
    metadata, spec = lease["metadata"], lease.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    try:
        values = {key: annotations[f"{REPLAY_PREFIX}{key}"] for key in _KEYS}
        return Marker(
            fingerprint=values["config"],
            start=float(values["start"]),
            interval=float(values["interval"]),
            loop=values["loop"] == "true",
            phase=int(values["phase"]),
            mode="clock" if values["mode"] == "clock" else "annotations",
            state="settled" if values["state"] == "settled" else "writing",
            tick=int(values["tick"]),
            time_index=int(values["time-index"]),
            resource_version=int(values["resource-version"]),
            lag=float(values["lag-seconds"]),
            patches=int(values["patches-total"]),
            failures=int(values["patch-failures-total"]),
            skipped=int(values["skipped-ticks-total"]),
            missing=int(values["missing-pods"]),
            guests=int(annotations.get(f"{REPLAY_PREFIX}guests", 0)),
            holder=spec.get("holderIdentity") or "",
            renewed=_epoch(spec.get("renewTime") or ""),
            duration=int(spec.get("leaseDurationSeconds") or 0),
            lease_version=int(metadata["resourceVersion"]),
        )
    except (KeyError, ValueError):
        return None


_KEYS: Final = (
    *("start", "interval", "loop", "phase", "mode", "state", "config", "tick", "time-index", "resource-version"),
    *("lag-seconds", "patches-total", "patch-failures-total", "skipped-ticks-total", "missing-pods"),
)


def timestamp(epoch: float) -> str:
    """Return a time as people and RFC 3339 write it, in whole seconds."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0
