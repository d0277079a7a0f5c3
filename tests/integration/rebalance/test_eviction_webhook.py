"""Real evictions on a real API server that asks `serflab rebalance webhook`: KubeVirt's answers, one mark each."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace

import pytest
import requests
from cryptography import x509
from rebalance_program import RebalanceProgram, running
from vms_of_tests import simulated
from waiting_for import eventually

from bare_serfs import port_block
from serflab.kube.client import ONCE, ApiClient, ApiError
from serflab.kube.credentials import load_credentials
from serflab.rebalance.admission import WEBHOOK_PATH
from serflab.rebalance.pods import PodManager

PORT = port_block(1) + 20
IN_FORCE = "are judged at"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return tmp_path_factory.mktemp("webhook")


@pytest.fixture(scope="module")
def start(vm_serf, certificates, tmp_path_factory):
    """Return a function that starts the webhook, which returns once it is in force."""
    folder = tmp_path_factory.mktemp("log")
    numbers = count()

    def begin(*more):
        return _start(vm_serf, certificates, folder / f"webhook-{next(numbers)}.log", *more)

    return begin


def _start(vm_serf, certificates, log, *more):
    arguments = (f"--kubeconfig={vm_serf.kubeconfig}", f"--port={PORT}", f"--certificates={certificates}", *more)
    program = RebalanceProgram(log, "webhook", *arguments)
    eventually(lambda: program.process.poll() is not None or IN_FORCE in program.log())
    assert program.process.poll() is None, program.log()
    return program


@pytest.fixture(scope="module")
def webhook(vm_serf, start):
    """The webhook, in force; its configuration is removed afterwards."""
    holder = SimpleNamespace(program=start())
    yield holder
    if holder.program.process.poll() is None:
        assert holder.program.stop() == 0
    vm_serf.kubectl("delete", "--raw", WEBHOOK_PATH)


class Api:
    """Evictions as any client of the API server sends them."""

    def __init__(self, serf, namespace):
        self.credentials = load_credentials(serf.kubeconfig)
        self.serf, self.namespace = serf, namespace

    def evict(self, pod, options=None, query="", annotations=None):
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        if annotations:
            body["metadata"]["annotations"] = annotations
        if options:
            body["deleteOptions"] = options
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction{query}"
        answer = json.loads(self._post(path, body))
        return answer.get("code", 200), answer.get("message", ""), answer

    def _post(self, path, body):
        async def send():
            async with ApiClient(self.credentials, retry=ONCE) as client:
                try:
                    return await client.request("POST", path, body=body)
                except ApiError as error:
                    return {**error.body, "code": error.status, "retry_after": error.retry_after}

        return json.dumps(asyncio.run(send()))


@pytest.fixture
def api(vm_serf, namespace):
    return Api(vm_serf, namespace)


@pytest.fixture
def make_vm(vm_serf, namespace, objects):
    """Make a VM whose pod runs on node-a, and return the name of its pod."""
    pods = PodManager(namespace, kubeconfig=vm_serf.kubeconfig, create_vm_crs=True)

    def make(name, strategy=None):
        vm = simulated(name)
        pod = pods.create_pod(vm, "node-a")
        eventually(lambda: objects("pod", pod)["status"].get("phase") == "Running")
        if strategy:
            patch = json.dumps({"spec": {"evictionStrategy": strategy}})
            vm_serf.kubectl("-n", namespace, "patch", "vm", name, "--type=merge", "-p", patch)
        pods.update_vm_node_assignments([vm])
        return pod

    return make


@pytest.fixture
def set_status(vm_serf, namespace):
    def set_it(name, **status):
        patch = json.dumps({"status": status})
        vm_serf.kubectl("-n", namespace, "patch", "vm", name, "--subresource=status", "--type=merge", "-p", patch)

    return set_it


@pytest.mark.usefixtures("webhook")
def test_the_first_eviction_marks_the_vm_and_the_next_ones_find_it_marked(api, make_vm, objects, namespace):
    pod = make_vm("vm-1")
    triggered = f'Eviction triggered evacuation of VMI "{namespace}/vm-1"'

    # Both ways to ask without doing it: as KubeVirt, the answer is that of the real one.
    for options, query in ((None, "?dryRun=All"), ({"dryRun": ["All"]}, "")):
        status, message, _ = api.evict(pod, options, query)
        assert (status, message.partition("denied the request: ")[2]) == (429, triggered)
        assert "evacuationNodeName" not in objects("vm", "vm-1")["status"]

    status, message, answer = api.evict(pod, annotations={"requested-by": "sigs.k8s.io/descheduler"})
    assert (status, message.partition("denied the request: ")[2]) == (429, triggered)
    assert answer["reason"] == "TooManyRequests"
    assert "retryAfterSeconds" not in (answer.get("details") or {})
    assert answer["retry_after"] == 0
    assert objects("vm", "vm-1")["status"]["evacuationNodeName"] == "node-a"
    for _ in range(3):
        status, message, _ = api.evict(pod)
        assert (status, message.partition("denied the request: ")[2]) == (429, f"Evacuation in progress: {triggered}")
    assert "deletionTimestamp" not in objects("pod", pod)["metadata"]


def test_many_evictions_at_once_are_one(api, make_vm, objects, webhook):
    pods = [make_vm(f"vm-{number}") for number in range(3)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(api.evict, [pod for pod in pods for _ in range(6)]))
    assert {status for status, *_ in answers} == {429}
    started = [message for _, message, _ in answers if "denied the request: Eviction triggered" in message]
    assert len(started) == 3
    assert len([message for _, message, _ in answers if "Evacuation in progress" in message]) == 15
    assert {vm["status"]["evacuationNodeName"] for vm in objects("vm")} == {"node-a"}
    assert webhook.program.log().count("failed marking") == 0


@pytest.mark.usefixtures("webhook")
def test_the_target_of_a_migration_is_not_evicted(api, make_vm, set_status):
    pod = make_vm("vm-1")
    set_status("vm-1", nodeName="node-b")
    assert api.evict(pod)[:2][0] == 429
    assert api.evict(pod)[1].endswith("denied the request: Eviction request for target Pod")


@pytest.mark.usefixtures("webhook")
@pytest.mark.parametrize(
    "case",
    [
        ("LiveMigrate", False, "VMI vm-1 is configured with an eviction strategy but is not live-migratable"),
        ("LiveMigrateIfPossible", True, "Eviction triggered evacuation of VMI"),
        ("LiveMigrateIfPossible", False, ""),
        ("External", False, "Eviction triggered evacuation of VMI"),
        ("None", True, ""),
    ],
    ids=lambda case: f"{case[0]} migratable={case[1]}",
)
def test_the_strategy_of_the_vm_decides(case, api, make_vm, set_status, objects):
    strategy, migratable, answer = case
    pod = make_vm("vm-1", strategy)
    if not migratable:
        conditions = objects("vm", "vm-1")["status"]["conditions"]
        set_status("vm-1", conditions=[*conditions, {"type": "LiveMigratable", "status": "False"}])
    status, message, _ = api.evict(pod)
    if answer:
        assert (status, answer in message) == (429, True)
        marked = "triggered" in answer
        assert bool(objects("vm", "vm-1")["status"].get("evacuationNodeName")) == marked
    else:
        assert status in {200, 201}
        eventually(lambda: all(item["metadata"]["name"] != pod for item in objects("pod")))


@pytest.mark.usefixtures("webhook")
def test_the_webhook_answers_before_a_disruption_budget_does(api, make_vm, vm_serf, namespace):
    pod = make_vm("vm-1")
    vm_serf.kubectl(
        "-n", namespace, "create", "pdb", "guard", "--min-available=1", "--selector=vm.kubevirt.io/name=vm-1"
    )
    assert "Eviction triggered evacuation" in api.evict(pod)[1]
    free = make_vm("vm-2", "None")
    vm_serf.kubectl(
        "-n", namespace, "create", "pdb", "other", "--min-available=1", "--selector=vm.kubevirt.io/name=vm-2"
    )
    assert "disruption budget" in api.evict(free)[1]


def test_pods_that_are_none_of_a_vms_are_not_asked_about(api, vm_serf, namespace, webhook):
    before = webhook.program.log().count("eviction of")
    tolerations = {"spec": {"tolerations": [{"operator": "Exists"}]}}
    for name in ("web", "virt-launcher-by-name-only"):
        vm_serf.kubectl(
            "-n", namespace, "run", name, "--image=web", "--overrides", json.dumps({"apiVersion": "v1", **tolerations})
        )
        assert eventually(lambda name=name: api.evict(name)[0] in {200, 201}), name
    log = webhook.program.log()
    assert log.count("eviction of") == before + log.count("by-name-only by")


def test_a_vm_that_cannot_be_read_is_not_evicted(api, make_vm, vm_serf, namespace, objects):
    pod = make_vm("vm-1")
    vm_serf.kubectl("-n", namespace, "delete", "vm", "vm-1", "--cascade=orphan")
    status, message, _ = api.evict(pod)
    assert (status, "kubevirt failed getting the vmi: " in message) == (429, True)
    assert "deletionTimestamp" not in objects("pod", pod)["metadata"]


def test_without_the_webhook_nothing_is_evicted(api, make_vm, start, webhook, objects):
    pod = make_vm("vm-1")
    webhook.program.kill()
    status, message, _ = api.evict(pod)
    assert status == 500
    assert "failed calling webhook" in message
    assert "deletionTimestamp" not in objects("pod", pod)["metadata"]
    # It comes back with the same authority: the API server finds it at once.
    webhook.program = start()
    assert "Eviction triggered evacuation" in api.evict(pod)[1]


def served_certificate():
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", PORT)).encode())


def test_a_renewed_certificate_is_used_without_a_restart(api, make_vm, start, certificates, webhook):
    assert webhook.program.stop() == 0
    webhook.program = start("--certificate-hours=0.002")
    first = served_certificate()
    pod = make_vm("vm-1")
    assert "Eviction triggered evacuation" in api.evict(pod, query="?dryRun=All")[1]
    eventually(lambda: served_certificate().serial_number != first.serial_number)
    # The connections that stand were made with the first; it has to end before they prove anything.
    eventually(lambda: time.time() > first.not_valid_after_utc.timestamp() + 0.5)
    assert "Eviction triggered evacuation" in api.evict(pod)[1]
    base = f"https://127.0.0.1:{PORT}"
    eventually(lambda: served_certificate().not_valid_after_utc.timestamp() > time.time())
    told = requests.get(f"{base}/metrics", verify=certificates / "ca.crt", timeout=5).text
    assert 'serflab_rebalance_evictions_total{answer="denied"}' in told
    assert requests.get(f"{base}/readyz", verify=certificates / "ca.crt", timeout=5).status_code == 200
    assert (
        requests.post(
            f"{base}/launcher-eviction-validate", data=b"{}", verify=certificates / "ca.crt", timeout=5
        ).status_code
        == 400
    )


@pytest.fixture
def ready(certificates):
    """Return a function that says whether the webhook is ready."""
    url, authority = f"https://127.0.0.1:{PORT}/readyz", certificates / "ca.crt"
    return lambda: requests.get(url, verify=authority, timeout=5).status_code == 200


@pytest.mark.parametrize("deed", ["removed", "changed"])
def test_a_configuration_that_somebody_takes_away_is_put_back(api, make_vm, webhook, ready, deed):
    pod = make_vm("vm-1")
    told = f"somebody has {deed} the configuration of the webhook"
    before = webhook.program.log().count(told)
    assert ready()
    if deed == "removed":
        api.serf.kubectl("delete", "--raw", WEBHOOK_PATH)
    else:
        never = {"name": "never", "expression": "false"}
        added = json.dumps([{"op": "add", "path": "/webhooks/0/matchConditions/-", "value": never}])
        name = WEBHOOK_PATH.rpartition("/")[2]
        api.serf.kubectl("patch", "validatingwebhookconfiguration", name, "--type=json", "-p", added)
    eventually(lambda: webhook.program.log().count(told) > before)
    eventually(ready)
    assert "Eviction triggered evacuation" in api.evict(pod)[1]
    # In force again it stays so, and writes nothing more.
    assert webhook.program.log().count(told) == before + 1


def test_a_namespace_that_is_made_later_is_waited_for(webhook, vm_serf, tmp_path, start, certificates):
    """Of a webhook of its own: the shared one ends meanwhile, for there is one configuration."""
    assert webhook.program.stop() == 0
    arguments = (f"--kubeconfig={vm_serf.kubeconfig}", f"--port={PORT}", f"--certificates={certificates}")
    try:
        with running(tmp_path / "log", "webhook", *arguments, "--namespace=later") as program:
            eventually(lambda: "there is no namespace later" in program.log())
            assert IN_FORCE not in program.log()
            vm_serf.kubectl("create", "namespace", "later")
            eventually(lambda: IN_FORCE in program.log())
            assert program.stop() == 0
    finally:
        vm_serf.kubectl("delete", "namespace", "later", "--ignore-not-found", "--wait=false")
        webhook.program = start()


def test_a_port_that_is_taken_is_told(webhook, vm_serf, certificates, tmp_path):
    assert webhook.program.process.poll() is None
    arguments = (f"--kubeconfig={vm_serf.kubeconfig}", f"--port={PORT}", f"--certificates={certificates}")
    with running(tmp_path / "log", "webhook", *arguments) as second:
        assert second.process.wait(timeout=30) == 1
        assert f"cannot listen on 127.0.0.1:{PORT}" in second.log()
