"""The accounts in k8s/ give each program what it needs and no more: shown by running the real programs under them.

One run of the whole loop, each program with a token of its account through a proxy that notes what it asks; then what
was asked is compared with what the manifests give. See docs/decisions/0022-rights-are-what-was-used.md.
"""

from __future__ import annotations

import json

import pytest
from loop_under_accounts import LoopUnderAccounts
from noting_proxy import Right
from waiting_for import eventually

from bare_serfs import port_block
from rebalance_manifests import bodies
from serflab.rebalance.names import GROUP, MIGRATION_PLURAL, SCHEDULABLE

HOT = "kwok-node-1"
VMS = {f"rights-{number}": (0.2, 0.08) for number in range(4)}
PROGRAMS = ("vm-controller", "eviction-webhook", "metrics-exporter", "descheduler")
UNUSED = {
    "descheduler": {
        # A watch brings what there is as well (WatchList); where a server does not do that, its client lists first.
        *(Right("", "list", "", name) for name in ("nodes", "pods", "persistentvolumeclaims")),
        # It tells of evictions that are granted; here each becomes a migration.
        Right("", "create", "events.k8s.io", "events"),
    },
    "vm-controller": {
        # Only the latest migrations of a VM are kept; here it has fewer.
        Right("default", "delete", GROUP, MIGRATION_PLURAL),
        # A budget is two while its VM migrates, which is over here before it comes to that.
        Right("default", "patch", "policy", "poddisruptionbudgets"),
    },
}
"""Rights that the run does not make use of, each with its reason."""


def scenario(vms):
    """Return what `POST /scenario` takes."""
    listed = [{"id": name, "cpu_consumption": cpu, "memory_consumption": memory} for name, (cpu, memory) in vms.items()]
    return {"name": "rights", "nodes": [{"name": HOT, "cpu_cores": 32, "memory_gib": 128, "vms": listed}]}


@pytest.fixture(scope="module")
def loop(serf, tmp_path_factory):
    """The loop after it has moved VMs off a hot node, and after some of what else each program is for."""
    loop = LoopUnderAccounts(serf, tmp_path_factory.mktemp("accounts"), port_block(2) + 40)
    nodes = bodies("kwok-nodes.yaml")
    # Nodes of other tests on the shared serf take no part meanwhile.
    others = serf.kubectl("get", "nodes", "-l", f"{SCHEDULABLE}=true", "-o", "name").split()
    for node in others:
        serf.kubectl("label", node, f"{SCHEDULABLE}-")
    try:
        loop.prepare()
        serf.kubectl("apply", "-f", "-", stdin=json.dumps(nodes[0]))
        run(loop, nodes[1:])
        yield loop
    finally:
        serf.kubectl("-n", "default", "annotate", "vm", "--all", "simulation.node-classifier.io/deletion-allowed=true")
        serf.kubectl("-n", "default", "delete", "vm", "--all")
        loop.remove()
        serf.kubectl("-n", "default", "delete", "pods,pdb,vmim,events", "--all", "--force")
        serf.kubectl("delete", "nodes", "--ignore-not-found", *(node["metadata"]["name"] for node in nodes))
        for node in others:
            serf.kubectl("label", node, f"{SCHEDULABLE}=true")


def run(loop, other_nodes):
    """Have each program do what it is for."""
    for name in ("eviction-webhook", "vm-controller", "metrics-exporter"):
        loop.start(name)
    eventually(lambda: "are judged at" in loop.told("eviction-webhook"), 60)
    eventually(lambda: f'node="{HOT}"' in loop.metrics(), 60)
    more = {**VMS, "rights-superfluous": (0.01, 0.01)}
    loop.ask_exporter("/scenario", scenario(more))
    eventually(lambda: set(loop.nodes_of_vms().values()) == {HOT} and set(loop.nodes_of_vms()) == set(more), 60)
    # Once more without one of them: one is deleted, the others are changed.
    assert loop.ask_exporter("/scenario", scenario(VMS))["deleted"] == 1
    for node in other_nodes:
        loop.serf.kubectl("apply", "-f", "-", stdin=json.dumps(node))
    for name in ("prometheus", "descheduler"):
        loop.start(name)
    moved = eventually(lambda: [name for name, node in loop.nodes_of_vms().items() if node != HOT], 90)
    assert eventually(lambda: loop.query("descheduler:node:cpu_usage:ratio"), 60)
    loop.end("descheduler")
    # What people ask the exporter for.
    source, name = loop.nodes_of_vms()[moved[0]], moved[0]
    target = next(node["metadata"]["name"] for node in other_nodes if node["metadata"]["name"] != source)
    eventually(lambda: not [vm for vm in loop.get("vm") if vm["status"].get("evacuationNodeName")], 60)
    eventually(lambda: all(vmim["status"]["phase"] == "Succeeded" for vmim in loop.get("vmim")), 60)
    loop.ask_exporter("/feedback", {"migrations": [{"vm_id": name, "from_node": source, "to_node": target}]})
    assert loop.wait_moved(name, source) == target
    # A VM that an eviction simply ends has no budget.
    assert eventually(lambda: len(loop.get("pdb")) == len(VMS), 60)
    loop.serf.kubectl(
        "-n", "default", "patch", "vm", name, "--type=merge", "-p", '{"spec":{"evictionStrategy":"None"}}'
    )
    eventually(lambda: len(loop.get("pdb")) == len(VMS) - 1, 60)
    # A node that is gone, with a VM on it.
    loop.serf.kubectl("delete", "node", target)
    loop.wait_moved(name, target)
    eventually(lambda: len(loop.get("events")), 60)


def test_the_descheduler_has_moved_vms_off_the_hot_node(loop):
    assert "by sigs.k8s.io/descheduler: Eviction triggered evacuation" in loop.told("eviction-webhook")
    assert {vmim["status"]["phase"] for vmim in loop.get("vmim")} == {"Succeeded"}
    assert len(set(loop.nodes_of_vms().values())) > 1


def test_the_exporter_shows_the_load_of_the_nodes(loop):
    lines = [line for line in loop.metrics().splitlines() if line.startswith("node_cpu_usage_ratio{")]
    assert sum(float(line.rpartition(" ")[2]) for line in lines) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("account", PROGRAMS)
def test_nothing_was_forbidden_to_it(loop, account):
    assert loop.proxies[account].refused == set()


@pytest.mark.parametrize("account", PROGRAMS)
def test_it_has_used_every_right_that_it_has(loop, account):
    granted = loop.granted(account)
    used = loop.proxies[account].used
    # A right in the whole cluster is one in each namespace.
    covered = {right if right in granted else right._replace(namespace="") for right in used}
    unused = UNUSED.get(account, set())
    assert granted - covered <= unused, "rights that nothing needs"
    assert unused <= granted, "`UNUSED` names what is not granted"


@pytest.mark.parametrize(
    ("account", "kind", "resource", "sign"),
    [
        ("metrics-exporter", "role", "pods", "forbidden"),
        ("vm-controller", "role", "virtualmachines", "forbidden"),
    ],
)
def test_without_a_rule_a_program_says_what_it_may_not_do(loop, account, kind, resource, sign):
    """So that the proof above can fail."""
    found = json.loads(loop.serf.kubectl("-n", "default", "get", kind, account, "-o", "json"))
    kept = [rule for rule in found["rules"] if resource not in rule["resources"]]
    assert kept != found["rules"]
    loop.end(account)
    patch = [json.dumps({"rules": rules}) for rules in (kept, found["rules"])]
    loop.serf.kubectl("-n", "default", "patch", kind, account, "--type=merge", "-p", patch[0])
    refused = loop.proxies[account].refused
    try:
        loop.start(account)
        eventually(lambda: refused and loop.processes[account].poll() is not None, 60)
        assert loop.processes[account].returncode == 1
        assert sign in loop.told(account)
    finally:
        refused.clear()
        loop.serf.kubectl("-n", "default", "patch", kind, account, "--type=merge", "-p", patch[1])
