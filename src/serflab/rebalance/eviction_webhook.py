"""Answers the API server that asks about evictions of VMs' pods, and marks the VMs that have to leave their node."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from aiohttp import web

from serflab.emulation.exposition import CONTENT_TYPE, header
from serflab.emulation.names import pod_path
from serflab.errors import SerflabError
from serflab.kube.client import MERGE_PATCH, RetryPolicy, with_query
from serflab.rebalance.eviction import (
    ALLOWED,
    DEFAULT_STRATEGY,
    Verdict,
    denied,
    is_dry_run,
    judge,
    requested_by,
    vm_of_launcher,
)
from serflab.rebalance.names import vm_path
from serflab.rebalance.webhook_configuration import PATH, PROBE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from serflab.kube.client import ApiClient
    from serflab.rebalance.eviction import Strategy

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

_ATTEMPTS: Final = 5
_MARKING: Final = "marking the vmi for eviction"
# The API server waits five seconds for the answer.
RETRY: Final = RetryPolicy(attempts=3, initial=0.05, longest=0.2, longest_retry_after=0.2)


class EvictionWebhook:
    """Judges evictions.

    Pod and VM are read at each: an answer from an old picture would lose a migration, or repeat one.
    """

    def __init__(self, client: ApiClient, default: Strategy = DEFAULT_STRATEGY) -> None:
        self._client = client
        self._default = default
        self.asked = False
        """Whether the API server has ever asked."""
        self.in_force = False
        self.answers: dict[str, int] = {"allowed": 0, "denied": 0}
        self.marked = 0

    async def review(self, review: dict[str, Any]) -> dict[str, Any]:
        """Return the AdmissionReview that answers one; `KeyError` or `TypeError` for what is none."""
        request = review["request"]
        uid, name = request["uid"], request["name"]
        self.asked = True
        if name == PROBE:
            return _answer(uid, ALLOWED)
        verdict = await self.verdict(request)
        self.answers["allowed" if verdict.allowed else "denied"] += 1
        told = "is allowed" if verdict.allowed else verdict.message
        dry = " (dry run)" if is_dry_run(request) else ""
        _log.info("eviction of %s/%s by %s%s: %s", request["namespace"], name, requested_by(request), dry, told)
        return _answer(uid, verdict)

    async def verdict(self, request: dict[str, Any]) -> Verdict:
        """Return what becomes of an eviction, after its VM was marked if it is to be."""
        path = pod_path(request["namespace"], request["name"])
        try:
            pod = await _call("getting the pod", self._client.get(path))
            name = vm_of_launcher(pod)
            return await self._of_vm(pod, name, dry_run=is_dry_run(request)) if name else ALLOWED
        except _FailedError as error:
            # Of a pod that is not there the API server says so itself.
            return ALLOWED if error.status == 404 and error.doing == "getting the pod" else denied(error.message)

    async def _of_vm(self, pod: dict[str, Any], name: str, *, dry_run: bool) -> Verdict:
        for _ in range(_ATTEMPTS):
            path = vm_path(pod["metadata"]["namespace"], name)
            vm = await _call("getting the vmi", self._client.get(path))
            verdict = judge(pod, vm, self._default)
            if not verdict.mark:
                return verdict
            try:
                await _call(_MARKING, self._mark(vm, verdict.mark, dry_run=dry_run))
            except _FailedError as error:
                # 409: it has changed since; if by another eviction, that one has marked it.
                if error.status != 409:
                    raise
            else:
                return verdict
        return denied(f"kubevirt failed {_MARKING}: it changes all the time")

    async def _mark(self, vm: dict[str, Any], node: str, *, dry_run: bool) -> None:
        """Say that the VM has to leave the node, if it is still the VM that was judged."""
        metadata = vm["metadata"]
        seen = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body = {"metadata": seen, "status": {"evacuationNodeName": node}}
        path = f"{vm_path(metadata['namespace'], metadata['name'])}/status"
        await self._client.patch(with_query(path, {"dryRun": "All"} if dry_run else {}), body, kind=MERGE_PATCH)
        self.marked += not dry_run

    def metrics(self) -> bytes:
        """Return the metrics of the webhook."""
        name = "serflab_rebalance_evictions_total"
        lines = [header(name, "Evictions of VMs' pods that were judged.", "counter")]
        lines += [f'{name}{{answer="{answer}"}} {count}' for answer, count in self.answers.items()]
        marked = "serflab_rebalance_vms_marked_total"
        lines += [header(marked, "VMs that were told to leave their node.", "counter"), f"{marked} {self.marked}"]
        return ("\n".join(lines) + "\n").encode()


class _FailedError(SerflabError):
    """The API server did not do what was asked of it, in KubeVirt's words; `status` is 0 without an answer."""

    def __init__(self, doing: str, error: SerflabError) -> None:
        super().__init__(f"kubevirt failed {doing}: {getattr(error, 'text', error.message)}")
        self.doing = doing
        self.status = int(getattr(error, "status", 0))


async def _call(doing: str, request: Awaitable[_Answer]) -> _Answer:
    try:
        return await request
    except SerflabError as error:
        raise _FailedError(doing, error) from error


def _answer(uid: str, verdict: Verdict) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.allowed}
    if not verdict.allowed:
        response["status"] = {"code": 429, "reason": "TooManyRequests", "message": verdict.message}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def application(webhook: EvictionWebhook) -> web.Application:
    """Return what answers the API server, and probes."""

    async def validate(request: web.Request) -> web.Response:
        try:
            answer = await webhook.review(orjson.loads(await request.read()))
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            return web.Response(status=400, text=f"expected an AdmissionReview: {error!r}\n")
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        told = "ok\n" if webhook.in_force else "the API server does not ask yet\n"
        return web.Response(status=200 if webhook.in_force else 503, text=told)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=webhook.metrics(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application(client_max_size=2**20)
    app.add_routes(
        [
            web.post(PATH, validate),
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
        ]
    )
    return app
