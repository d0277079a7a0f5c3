"""Create the namespaces, nodes and pods of a config, or bring what is there into line with it.

Nothing is written before everything is known: what is there, what is missing, what differs, and what is in the way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from serflab.emulation.annotator import is_away
from serflab.emulation.fit import requests_that_do_not_fit
from serflab.emulation.names import (
    INSTANCE,
    MANAGED_BY,
    MANAGER,
    NAMESPACES_PATH,
    NODES_PATH,
    PODS_PATH,
    SPEC,
    pod_path,
    pods_of,
)
from serflab.emulation.objects import PodTemplate, RequestPolicy, instance_name, namespace_body, node_body
from serflab.errors import InputError, SerflabError
from serflab.kube.bulk import run_bulk
from serflab.kube.client import METADATA, METADATA_LIST, STRATEGIC_MERGE_PATCH, ApiError
from serflab.kube.watch import Collection, Event, EventKind, Key, WatchCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from serflab.kube.client import ApiClient
    from serflab.traces.model import EmulationConfig, PodTrace

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.05
_REPORT_SECONDS: Final = 2.0
_NAMED: Final = 5
_OVER: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """How to create: `limit` requests at once, `wait` up to `timeout` seconds, or only say what (`dry_run`)."""

    requests: RequestPolicy = field(default_factory=RequestPolicy)
    limit: int = 16
    wait: bool = True
    timeout: float = 120.0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What is kept of an object that is there."""

    instance: str | None
    """The config that serflab made it from; None: somebody else made it."""

    spec: str
    phase: str = ""
    terminating: bool = False
    trouble: str = ""
    away: bool = False
    """A virtual pod in the place of one that runs on another serf."""


@dataclass(slots=True)
class Plan:
    """What has to be done, in this order; `conflicts` are objects of others that are in the way."""

    conflicts: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    changed_nodes: list[str] = field(default_factory=list)
    surplus_pods: list[Key] = field(default_factory=list)
    replaced_pods: list[Key] = field(default_factory=list)
    pods: list[Key] = field(default_factory=list)
    surplus_nodes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the plan in one line, empty when there is nothing to do."""
        parts = (
            ("create", len(self.namespaces), "namespaces"),
            ("create", len(self.nodes), "nodes"),
            ("change", len(self.changed_nodes), "nodes"),
            ("remove", len(self.surplus_nodes), "nodes"),
            ("create", len(self.pods) - len(self.replaced_pods), "pods"),
            ("replace", len(self.replaced_pods), "pods"),
            ("remove", len(self.surplus_pods), "pods"),
        )
        return ", ".join(f"{verb} {count} {what}" for verb, count, what in parts if count)


async def create(client: ApiClient, config: EmulationConfig, options: CreateOptions) -> Plan:
    """Make the cluster hold what the config says and return what had to be done for it.

    Raises `InputError` when the pods cannot fit their nodes and `SerflabError` when objects of others are in the way
    (in both cases before anything is written), when requests fail, or when the pods are not all running in time.
    """
    findings = requests_that_do_not_fit(config, options.requests)
    if findings:
        raise InputError(findings)
    reconciler = _Reconciler(client, config, options)
    # A watch waits for an API server that is not there, a request tells that it is not.
    await client.get("/version")
    async with reconciler.pods:
        await reconciler.wait_for_list()
        plan = await reconciler.plan()
        if plan.conflicts:
            raise SerflabError(
                f"{len(plan.conflicts)} objects of others have names of this config, nothing was changed:\n  "
                + "\n  ".join(plan.conflicts),
                hint="rename one of the two, or remove what was made before with its own config and --delete",
            )
        if options.dry_run:
            _log.info("would %s", plan.summary() or "change nothing")
            return plan
        await reconciler.carry_out(plan)
        if options.wait:
            await reconciler.wait_until_running()
    _log.info("%s", f"done: {plan.summary()}" if plan.summary() else "nothing to do: everything is as the config says")
    return plan


class _Reconciler:
    """The work of one `create`; `pods` follows all pods of the cluster meanwhile."""

    def __init__(self, client: ApiClient, config: EmulationConfig, options: CreateOptions) -> None:
        self._client = client
        self._config = config
        self._options = options
        self._instance = instance_name(config.file)
        self._nodes = {spec.name: spec for spec in config.nodes}
        self._wanted: dict[Key, PodTrace] = {(pod.namespace, pod.name): pod for pod in config.pods}
        self._template = PodTemplate(self._instance, config.annotation_keys, options.requests)
        self._waiting: set[Key] = set()
        self._progress = _Progress(len(self._wanted))
        self.pods = WatchCache(client, Collection(PODS_PATH), found, on_event=self._pod_changed)

    async def plan(self) -> Plan:
        """Compare what is there with the config."""
        plan = Plan()
        await self._plan_namespaces(plan)
        await self._plan_nodes(plan)
        self._plan_pods(plan)
        return plan

    async def carry_out(self, plan: Plan) -> None:
        """Do what the plan says."""
        await self._each("create namespaces", plan.namespaces, self._create_namespace)
        await self._each("create nodes", plan.nodes, self._create_node)
        await self._each("change nodes", plan.changed_nodes, self._change_node)
        await self._each("remove pods", plan.surplus_pods + plan.replaced_pods, self._delete_pod)
        if plan.pods:
            await self._each("prepare namespaces", self._config.namespaces, self._wait_for_service_account)
            await self._each("create pods", plan.pods, self._create_pod)
        await self._each("remove nodes", plan.surplus_nodes, lambda name: self._client.delete(f"{NODES_PATH}/{name}"))

    async def wait_for_list(self) -> None:
        """Wait until it is known which pods are there."""
        try:
            async with asyncio.timeout(self._options.timeout):
                await self.pods.wait_synced()
        except TimeoutError as error:
            raise self.pods.last_error or SerflabError("the API server does not list its pods") from error

    async def wait_until_running(self) -> None:
        """Wait until all pods of the config run."""
        self._count()
        try:
            async with asyncio.timeout(self._options.timeout):
                await self.pods.wait_for(lambda: not self._waiting)
        except TimeoutError as error:
            raise self._not_running() from error
        away = sum(self.pods.objects[key].away for key in self._wanted if key in self.pods.objects)
        if away:
            _log.info("%d pods are away on other serfs: their virtual pods are left alone", away)

    # What is there

    async def _plan_namespaces(self, plan: Plan) -> None:
        there = await self._found(NAMESPACES_PATH)
        for name in self._config.namespaces:
            if name in there and there[name].terminating:
                _log.info("namespace %s is on its way out, waiting until it is gone", name)
                if not self._options.dry_run:
                    await self._wait_until_gone(f"{NAMESPACES_PATH}/{name}")
                plan.namespaces.append(name)
            elif name not in there:
                plan.namespaces.append(name)

    async def _plan_nodes(self, plan: Plan) -> None:
        there = await self._found(NODES_PATH)
        for name in self._nodes:
            node = there.get(name)
            if node is None:
                plan.nodes.append(name)
            elif node.instance != self._instance:
                plan.conflicts.append(_conflict(f"node {name}", node))
            elif node.spec != self._node_body(name)["metadata"]["annotations"][SPEC]:
                plan.changed_nodes.append(name)
        plan.surplus_nodes = [
            name for name, node in there.items() if node.instance == self._instance and name not in self._nodes
        ]

    def _plan_pods(self, plan: Plan) -> None:
        for key, trace in self._wanted.items():
            pod = self.pods.objects.get(key)
            if pod is None:
                plan.pods.append(key)
            elif pod.instance != self._instance:
                plan.conflicts.append(_conflict(f"pod {'/'.join(key)}", pod))
            elif pod.terminating or pod.phase in _OVER or pod.spec != self._spec(trace):
                plan.replaced_pods.append(key)
                plan.pods.append(key)
        plan.surplus_pods = [
            key for key, pod in self.pods.objects.items() if pod.instance == self._instance and key not in self._wanted
        ]

    async def _found(self, path: str) -> dict[str, Found]:
        items = (await self._client.list(path, accept=METADATA_LIST))["items"]
        return {item["metadata"]["name"]: found(item) for item in items}

    def _spec(self, trace: PodTrace) -> str:
        body = self._template.body(trace, self._config.node_for(trace.namespace))
        return str(body["metadata"]["annotations"][SPEC])

    def _node_body(self, name: str) -> dict[str, Any]:
        mode = self._config.node_config.mode
        own = [pod for pod in self._config.pods if mode == "pool" or self._config.node_for(pod.namespace) == name]
        return node_body(self._nodes[name], len(own), self._instance)

    # What is done

    async def _each(self, what: str, items: Iterable[Any], action: Callable[[Any], Awaitable[object]]) -> None:
        result = await run_bulk(items, action, name=_name, limit=self._options.limit)
        result.raise_for_failures(what)

    async def _create_namespace(self, name: str) -> None:
        await self._create(NAMESPACES_PATH, namespace_body(name, self._instance), f"{NAMESPACES_PATH}/{name}")

    async def _create_node(self, name: str) -> None:
        await self._create(NODES_PATH, self._node_body(name), f"{NODES_PATH}/{name}")

    async def _change_node(self, name: str) -> None:
        body = self._node_body(name)
        path = f"{NODES_PATH}/{name}"
        await self._client.patch(f"{path}/status", {"status": body["status"]}, kind=STRATEGIC_MERGE_PATCH)
        del body["status"]
        await self._client.patch(path, body, kind=STRATEGIC_MERGE_PATCH)

    async def _create_pod(self, key: Key) -> None:
        trace = self._wanted[key]
        body = orjson.dumps(self._template.body(trace, self._config.node_for(trace.namespace)))
        await self._create(pods_of(trace.namespace), body, pod_path(*key))

    async def _delete_pod(self, key: Key) -> None:
        await _ignore_missing(self._client.delete(pod_path(*key), grace=0))
        await self._wait_until_gone(pod_path(*key))

    async def _create(self, collection: str, body: bytes | dict[str, Any], path: str) -> None:
        try:
            await self._client.create(collection, body)
        except ApiError as error:
            if error.status != 409:
                raise
            # Ours, when the first try was lost on its way back or another `create` runs; anybody's otherwise.
            there = found(await self._client.get(path, accept=METADATA))
            if there.instance != self._instance:
                raise SerflabError(_conflict(path, there)) from error

    async def _wait_for_service_account(self, namespace: str) -> None:
        """Wait until the controller manager has made the account without which pods are refused."""
        path = f"{NAMESPACES_PATH}/{namespace}/serviceaccounts/default"
        deadline = time.monotonic() + self._options.timeout
        while True:
            try:
                await self._client.get(path, accept=METADATA)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                return
            if time.monotonic() > deadline:
                raise SerflabError(
                    f"namespace {namespace} got no default ServiceAccount within {self._options.timeout:g} s",
                    hint="is the serf's kube-controller-manager running?",
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_until_gone(self, path: str) -> None:
        await wait_until_gone(self._client, path, self._options.timeout)

    # What runs

    def _pod_changed(self, event: Event[Found]) -> None:
        if event.kind is EventKind.LISTED:
            self._count()
        elif event.key in self._wanted:
            if _is_settled(event.value):
                self._waiting.discard(event.key)
            else:
                self._waiting.add(event.key)
            self._progress.report(len(self._wanted) - len(self._waiting))

    def _count(self) -> None:
        there = self.pods.objects
        self._waiting = {key for key in self._wanted if not _is_settled(there.get(key))}

    def _not_running(self) -> SerflabError:
        lines = []
        for key in sorted(self._waiting)[:_NAMED]:
            pod = self.pods.objects.get(key)
            lines.append(f"{'/'.join(key)}: {(pod.trouble or pod.phase) if pod else 'deleted'}")
        if len(self._waiting) > _NAMED:
            lines.append(f"… and {len(self._waiting) - _NAMED} more")
        count = f"{len(self._waiting)} of {len(self._wanted)} pods"
        return SerflabError(
            f"{count} are not running after {self._options.timeout:g} s:\n  " + "\n  ".join(lines),
            hint="are the serf's scheduler and kwok running, and do the pods fit beside those of others?",
        )


class _Progress:
    """Says every few seconds how many pods run."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._last = time.monotonic()

    def report(self, running: int) -> None:
        """Take the current number."""
        if time.monotonic() - self._last >= _REPORT_SECONDS:
            self._last = time.monotonic()
            _log.info("%d of %d pods are running", running, self._total)


def _is_settled(pod: Found | None) -> bool:
    """Whether a pod runs here, or is away: then it is for its provider to run it, which may be down for long."""
    return pod is not None and (pod.away or pod.phase == "Running")


def found(item: dict[str, Any]) -> Found:
    """Return what is kept of an object."""
    metadata = item["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    status = item.get("status") or {}
    ours = labels.get(MANAGED_BY) == MANAGER
    refusals = [
        condition.get("message", "")
        for condition in status.get("conditions") or ()
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    return Found(
        instance=labels.get(INSTANCE, "") if ours else None,
        spec=annotations.get(SPEC, ""),
        phase=status.get("phase", ""),
        terminating="deletionTimestamp" in metadata,
        trouble=refusals[0] if refusals else "",
        away=is_away(annotations),
    )


async def wait_until_gone(client: ApiClient, path: str, timeout: float) -> None:  # noqa: ASYNC109 - told to the user
    """Wait until an object is no longer there, at most `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            await client.get(path, accept=METADATA)
        except ApiError as error:
            if error.status != 404:
                raise
            return
        await asyncio.sleep(_POLL_SECONDS)
    raise SerflabError(f"{path} is still there after {timeout:g} s")


async def _ignore_missing(request: Awaitable[object]) -> None:
    try:
        await request
    except ApiError as error:
        if error.status != 404:
            raise


def _conflict(what: str, there: Found) -> str:
    if there.instance is None:
        return f"{what} is there already and was not made by serflab"
    return f"{what} is there already, made from another config ({there.instance!r})"


def _name(item: str | Key) -> str:
    return item if isinstance(item, str) else "/".join(item)
