"""Serve what the pods of one serf use as Prometheus metrics.

What is published is always one picture: while a replay is alive, its last complete tick (see
`serflab.emulation.timeline`); otherwise, for people who annotate pods by hand, what the annotations say now; in the
replay's mode `clock`, what the trace says for this moment. The picture is made anew when something changed, and a
scrape only hands it out.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import deque
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from serflab import __version__
from serflab.emulation.annotator import is_away
from serflab.emulation.exposition import CONTENT_TYPE, Capacity, Exposition, PodState, RealNode, header
from serflab.emulation.marker import Marker, read_marker
from serflab.emulation.names import (
    LEASE_NAME,
    LEASE_NAMESPACE,
    LEASES_PATH,
    NODE_TYPE,
    NODES_PATH,
    PODS_PATH,
    VIRTUAL,
    VIRTUAL_NODE,
)
from serflab.emulation.timeline import Timeline
from serflab.errors import SerflabError
from serflab.kube.watch import Collection, Event, EventKind, Key, WatchCache
from serflab.traces.model import METRICS
from serflab.traces.quantity import parse_cpu, parse_memory, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serflab.kube.client import ApiClient
    from serflab.traces.model import EmulationConfig, Series

_log = logging.getLogger(__name__)

RECORDED_MACHINE: Final = "recorded-machine"
"""The `node` of the recorded machine where several nodes are emulated and it stands for none of them."""

_MARKERS_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Picture:
    """The state of all pods at one moment; `marker`, where there is a replay, tells which tick it is."""

    pods: Mapping[Key, PodState]
    marker: Marker | None
    tick: int = -1
    time_index: int | None = None
    live: bool = True


class Exporter:
    """Follows one serf and keeps its metrics ready, renewed at most every `update_interval` seconds."""

    def __init__(
        self,
        client: ApiClient,
        config: EmulationConfig,
        *,
        update_interval: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._update_interval = update_interval
        self._now = now
        self._series: dict[Key, Series] = {(pod.namespace, pod.name): pod.series for pod in config.pods}
        keys = config.annotation_keys
        self._annotations = tuple(zip(METRICS, (keys.cpu, keys.memory, keys.power, keys.psi), strict=True))
        self._complained: set[tuple[Key, str]] = set()
        self._timeline: Timeline[PodState] = Timeline()
        self._markers: deque[Marker] = deque(maxlen=_MARKERS_KEPT)
        self._marker: Marker | None = None
        self._dirty = asyncio.Event()
        self._exposition = Exposition(config.psi_aggregation)
        self._picture: Picture | None = None
        self._text = b""
        self._render_seconds = 0.0
        lease = Collection(LEASES_PATH, field_selector=f"metadata.name={LEASE_NAME}")
        self._pods = WatchCache(client, Collection(PODS_PATH), self._pod_state, on_event=self._pod_changed)
        self._nodes = WatchCache(client, Collection(NODES_PATH), _capacity, on_event=self._node_changed)
        self._leases = WatchCache(client, lease, read_marker, on_event=self._lease_changed)

    @property
    def ready(self) -> bool:
        """Whether there is a first picture."""
        return self._picture is not None

    async def run(self) -> None:
        """Follow the serf until cancelled; `ApiError` when its API server refuses what an exporter needs."""
        async with AsyncExitStack() as stack:
            for cache in (self._pods, self._nodes, self._leases):
                await stack.enter_async_context(cache)
            for cache in (self._pods, self._nodes, self._leases):
                await cache.wait_synced()
            while True:
                self._dirty.clear()
                self.renew()
                started = self._now()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._dirty.wait(), self._until_next_change(started))
                # Events come in bursts, a tick's worth at a time.
                await asyncio.sleep(max(0.0, started + self._update_interval - self._now()))

    def renew(self) -> None:
        """Make a new text if the picture has changed; keep the old one while the present moment is no whole tick."""
        picture = self.picture()
        if picture is None:
            return
        started = time.perf_counter()
        self._picture = picture
        nodes = {name: capacity for (_, name), capacity in self._nodes.objects.items()}
        self._text = self._exposition.render(picture.pods, nodes, self._real_node(picture.time_index))
        self._render_seconds = time.perf_counter() - started

    def picture(self) -> Picture | None:
        """Return what is to be shown; None while the pods show no whole tick, or one that is not known yet."""
        now, latest = self._now(), self._marker
        if latest and latest.mode == "clock" and latest.fingerprint == self._config.fingerprint:
            return self._computed(latest, now)
        if latest is None or not self._replay_is_alive(latest, now):
            pods = self._timeline.live()
            self._timeline.forget(self._pods.resource_version)
            shows_tick = latest is not None and latest.tick >= 0
            return Picture(
                pods, latest, latest.tick if latest else -1, latest.time_index if latest and shows_tick else None
            )
        for marker in reversed(self._markers):
            pods_then = self._timeline.at(marker.resource_version, marker.bound)
            if marker.tick >= 0 and pods_then is not None:
                self._forget_before(marker)
                # A pod that was created within the tick shows its first point still; it belongs to no tick yet.
                played = {key: pod for key, pod in pods_then.items() if pod.played or not self._is_own(key, pod)}
                return Picture(played, marker, marker.tick, marker.time_index, live=False)
        return None

    def text(self) -> bytes:
        """Return all metrics: those of the picture, and what there is to say of replay and exporter now."""
        return self._text + self._own_metrics()

    def _replay_is_alive(self, marker: Marker, now: float) -> bool:
        since = self._leases.connected_since
        # While we do not hear of the Lease we cannot tell, and what is shown is better left alone.
        return since is None or marker.fresh(now, listening_since=since)

    def _computed(self, marker: Marker, now: float) -> Picture:
        """Return the picture of a replay that writes nothing: what trace and clock say for the pods that run."""
        clock = marker.clock(self._config.length)
        tick = clock.tick_at(now)
        index = clock.index(tick)
        pods = {
            key: replace(pod, values=self._series[key].row(index)) if self._is_own(key, pod) else pod
            for key, pod in self._timeline.live().items()
        }
        self._timeline.forget(self._pods.resource_version)
        return Picture(pods, marker, tick, index, live=False)

    def _is_own(self, key: Key, pod: PodState) -> bool:
        """Whether this serf's replay plays the config's series onto this pod."""
        return key in self._series and not pod.guest

    def _forget_before(self, shown: Marker) -> None:
        self._timeline.forget(shown.bound)
        while self._markers and self._markers[0] is not shown:
            self._markers.popleft()

    def _until_next_change(self, now: float) -> float:
        """Return after how many seconds the picture may change without any event."""
        seconds = max(1.0, self._update_interval)
        if self._marker and self._marker.mode == "clock":
            clock = self._marker.clock(self._config.length)
            seconds = min(seconds, max(0.01, clock.due(clock.tick_at(now) + 1) - now))
        return seconds

    def _real_node(self, index: int | None) -> RealNode | None:
        series = self._config.node_series
        if series is None or index is None or not 0 <= index < series.length:
            return None
        nodes = self._config.nodes
        name = nodes[0].name if len(nodes) == 1 else RECORDED_MACHINE
        cpu, memory, power, psi = series.row(index)
        return RealNode(name, cpu, 100 * memory / sum(node.memory_mi for node in nodes), power, psi)

    # Events

    def _pod_state(self, pod: dict[str, Any]) -> PodState | None:
        metadata = pod["metadata"]
        key = metadata["namespace"], metadata["name"]
        annotations = metadata.get("annotations") or {}
        if is_away(annotations):
            return None
        cpu, memory, power, psi = (
            self._value(key, metric, annotations.get(name)) for metric, name in self._annotations
        )
        if cpu is None and key not in self._series:
            return None
        return PodState(
            version=int(metadata["resourceVersion"]),
            node=pod["spec"].get("nodeName", ""),
            running=pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in metadata,
            played=self._config.annotation_keys.time_index in annotations,
            guest=annotations.get(VIRTUAL) == "true",
            values=(cpu, memory, power, psi),
        )

    def _value(self, key: Key, metric: str, text: str | None) -> float | None:
        if text is None:
            return None
        try:
            return parse_value(metric, text)
        except ValueError as error:
            if (key, metric) not in self._complained:
                self._complained.add((key, metric))
                _log.warning("pod %s, annotation of %s: %s", "/".join(key), metric, error)
            return None

    def _pod_changed(self, event: Event[PodState]) -> None:
        if event.kind is EventKind.LISTED:
            pods = ((key, pod.version, pod) for key, pod in self._pods.objects.items())
            self._timeline.listed(pods, event.resource_version)
        elif event.kind is EventKind.BOOKMARK:
            self._timeline.seen(event.resource_version)
        elif event.value is None:
            self._timeline.removed(event.key, event.resource_version)
        else:
            self._timeline.changed(event.key, event.resource_version, event.value)
        self._dirty.set()

    def _node_changed(self, event: Event[Capacity]) -> None:
        # KWOK's heartbeats change nothing that is shown here.
        if event.kind is not EventKind.MODIFIED:
            self._dirty.set()

    def _lease_changed(self, event: Event[Marker]) -> None:
        if event.kind is EventKind.BOOKMARK:
            return
        marker = self._leases.objects.get((LEASE_NAMESPACE, LEASE_NAME))
        if marker and (self._marker is None or marker.fingerprint != self._marker.fingerprint):
            self._check_fingerprint(marker)
        self._marker = marker
        if marker:
            self._markers.append(marker)
        self._dirty.set()

    def _check_fingerprint(self, marker: Marker) -> None:
        if marker.fingerprint != self._config.fingerprint:
            _log.warning("the replay plays another config than %s; real_node_* may not belong to it", self._config.file)

    # What there is to say of replay and exporter

    def _own_metrics(self) -> bytes:
        now = self._now()
        lines: list[str] = []

        def say(name: str, meaning: str, value: float, *, kind: str = "gauge") -> None:
            lines.append(f"{header(name, meaning, kind)}\n{name} {value!r}")

        picture, marker = self._picture, self._marker
        if picture and marker:
            say("serflab_replay_tick", "Tick of the replay that is shown (-1: none yet).", picture.tick)
            index = picture.time_index
            say(
                "serflab_replay_time_index",
                "Point of the trace that is shown (-1: none yet).",
                -1 if index is None else index,
            )
        if marker:
            say(
                "serflab_replay_lag_seconds",
                "How late the replay's latest tick was, or is by now.",
                self._lag(marker, now),
            )
            say(
                "serflab_replay_up",
                "Whether a replay is alive (1) or has not been heard of lately (0).",
                int(self._replay_is_alive(marker, now)),
            )
            say("serflab_replay_patches_total", "Pods that were patched.", marker.patches, kind="counter")
            say("serflab_replay_patch_failures_total", "Patches that failed.", marker.failures, kind="counter")
            say("serflab_replay_skipped_ticks_total", "Ticks skipped to catch up.", marker.skipped, kind="counter")
            guests = marker.guests if self._replay_is_alive(marker, now) else 0
            say("serflab_replay_guests", "Pods of other serfs that the replay plays here.", guests)
            say("serflab_replay_missing_pods", "Pods of the config that are not on the API server.", marker.missing)
        lines.append(header("serflab_exporter_watch_connected", "Whether the watch of a collection stands."))
        caches = (("pods", self._pods), ("nodes", self._nodes), ("leases", self._leases))
        lines += [
            f'serflab_exporter_watch_connected{{collection="{name}"}} {int(cache.connected)}' for name, cache in caches
        ]
        say("serflab_exporter_snapshot_age_seconds", "Age of what is shown.", self._age(now))
        say("serflab_exporter_render_seconds", "Time that the latest text took to make.", self._render_seconds)
        lines.append(header("serflab_build_info", "Version of serflab."))
        lines.append(f'serflab_build_info{{version="{__version__}"}} 1')
        return ("\n".join(lines) + "\n").encode()

    def _lag(self, marker: Marker, now: float) -> float:
        clock = marker.clock(self._config.length)
        if marker.mode == "clock" or (marker.tick >= 0 and clock.finished(marker.tick)):
            return 0.0
        return max(marker.lag, now - clock.due(marker.tick + 1))

    def _age(self, now: float) -> float:
        """Return the age of the picture: since its tick was due, or else since the watch of the pods broke."""
        picture = self._picture
        if picture and picture.marker and not picture.live and picture.marker.mode != "clock":
            clock = picture.marker.clock(self._config.length)
            if not clock.finished(picture.tick):
                return max(0.0, now - clock.due(picture.tick))
        since = self._pods.disconnected_since
        return max(0.0, now - since) if since else 0.0


async def serve(exporter: Exporter, host: str, port: int) -> None:
    """Serve `/metrics`, `/healthz` and `/readyz` until cancelled; `SerflabError` when the port cannot be had."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exporter.text(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return (
            web.Response(text="ok\n")
            if exporter.ready
            else web.Response(status=503, text="no picture of the serf yet\n")
        )

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.3)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            hint = "choose another with --port" if error.errno == errno.EADDRINUSE else ""
            raise SerflabError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint=hint) from error
        _log.info("metrics at http://%s:%d/metrics", host, port)
        await exporter.run()
    finally:
        await runner.cleanup()


def _capacity(node: dict[str, Any]) -> Capacity | None:
    """Return a node's capacity, None for a virtual node: what it offers is another serf's."""
    if (node.get("metadata", {}).get("labels") or {}).get(NODE_TYPE) == VIRTUAL_NODE:
        return None
    room = node.get("status", {}).get("capacity") or {}
    try:
        return Capacity(parse_cpu(room.get("cpu", 0)), parse_memory(room.get("memory", 0)))
    except ValueError:
        return Capacity(0, 0)
