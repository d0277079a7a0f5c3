"""Whatever is asked of the manager, in whatever order and however often it dies: the clusters come to agree."""

from __future__ import annotations

import pytest
from fleet_sweep import sweep
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from local_pods import listed, make_local_pods, mark_replay
from managed import Managed, eventually
from test_virtual_pods import creation
from test_virtual_pods_after_crashes import BRING_BACK, CREATE, DELETE, OFFLOAD

from serflab.emulation.names import PODS_PATH, SHADOW_PODS_PATH
from serflab.kube.refusal import Refusal
from serflab.offload import virtual_pod_commands as commands
from serflab.offload.names import SLICES
from serflab.offload.peering_commands import disconnect

POINTS = sorted({*CREATE, *OFFLOAD, *BRING_BACK, *DELETE})
PAIRS = [("serf1", "serf2"), ("serf2", "serf1"), ("serf1", "serf3")]
LOCAL_PODS = 2


class Events(RuleBasedStateMachine):
    """Three serfs, two emulated pods on the first one, and a manager that may be killed at every fault point."""

    serfs = None

    @initialize()
    def begin(self):
        sweep(self.serfs)
        self.local = make_local_pods(self.serfs["serf1"], LOCAL_PODS)
        mark_replay(self.serfs["serf1"])
        self.manager = Managed(self.serfs)
        self.manager.start()
        self.connections = set()

    def teardown(self):
        if hasattr(self, "manager"):
            self.manager.stop()

    @rule(pair=st.sampled_from(PAIRS))
    def connect(self, pair):
        self.manager.connect(*pair)
        self.connections.add(pair)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def disconnect(self, data):
        pair = data.draw(st.sampled_from(sorted(self.connections)))
        self.manager.call(lambda made: disconnect(made.fleet, *pair))
        self.connections.discard(pair)
        eventually(lambda: not self.slices(pair), f"{pair} is over: {self.manager.pods()}")

    @rule(pair=st.sampled_from(PAIRS), loop=st.booleans())
    def create(self, pair, loop):
        wanted = creation(source=pair[0], destination=pair[1], loop=loop, interval=60.0)
        self.ask(lambda made: commands.create(made.fleet, wanted), allowed={"not_peered"})

    @rule(number=st.integers(0, LOCAL_PODS - 1), destination=st.sampled_from(["serf2", "serf3"]))
    def offload(self, number, destination):
        key = self.local[number]
        refusals = {"not_peered", "already_offloaded", "not_running", "unknown_pod"}
        self.ask(lambda made: commands.offload(made.fleet, "serf1", *key, destination), allowed=refusals)

    @precondition(lambda self: self.manager.pods())
    @rule(data=st.data())
    def bring_back(self, data):
        identifier = data.draw(st.sampled_from(sorted(self.manager.pods())))
        refusals = {"not_offloaded", "unknown_virtual_pod"}
        self.ask(lambda made: commands.return_home(made.fleet, identifier), allowed=refusals)

    @precondition(lambda self: self.manager.pods())
    @rule(data=st.data())
    def delete_created(self, data):
        created = sorted(key for key, pod in self.manager.pods().items() if pod["origin"] == "created")
        if created:
            identifier = data.draw(st.sampled_from(created))
            self.ask(lambda made: commands.remove(made.fleet, identifier))

    @rule(point=st.sampled_from(POINTS), destination=st.sampled_from(["serf2", "serf3"]))
    def die_at_the_next(self, point, destination):
        """Let the manager die at a point, if it comes there at all while pods are offloaded, and start it again."""
        self.manager.stop()
        self.manager.start(kill_at=point)
        for pair in self.connections:
            self.manager.wait_connected(*pair)
        for key in self.local:
            refusals = {"not_peered", "already_offloaded", "not_running", "unknown_pod"}
            self.ask(lambda made, key=key: commands.offload(made.fleet, "serf1", *key, destination), allowed=refusals)
        self.manager.stop()
        self.manager.start()
        for pair in self.connections:
            self.manager.wait_connected(*pair)

    def ask(self, make, allowed=frozenset()):
        try:
            self.manager.call(make)
        except Refusal as refusal:
            if refusal.code not in allowed:
                raise

    @invariant()
    def the_clusters_agree(self):
        if hasattr(self, "manager"):
            eventually(lambda: not self.disagreements(), f"they agree: {self.disagreements()}")

    def disagreements(self):
        """Return what is wrong: orphans, pods that run twice or not at all."""
        sources = {
            pod["metadata"]["labels"]["emulation.liqo.k8s.io/virtual-pod-id"]: pod for pod in self.find("source")
        }
        remotes = [pod["metadata"]["labels"]["emulation.liqo.k8s.io/virtual-pod-id"] for pod in self.find("remote")]
        shadows = [
            item["metadata"]["labels"]["emulation.liqo.k8s.io/virtual-pod-id"]
            for serf in self.serfs
            for item in listed(serf, SHADOW_PODS_PATH)
        ]
        wrong = []
        if sorted(remotes) != sorted(sources):
            wrong.append(f"sources {sorted(sources)}, remote pods {sorted(remotes)}")
        if sorted(shadows) != sorted(sources):
            wrong.append(f"sources {sorted(sources)}, ShadowPods {sorted(shadows)}")
        for key, pod in sources.items():
            if pod["status"].get("phase") != "Running":
                wrong.append(f"{key} is {pod['status'].get('phase')}")
        there = {
            (pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in listed(self.serfs["serf1"], PODS_PATH)
        }
        return wrong + [f"{key} is nowhere" for key in self.local if key not in there]

    def find(self, role):
        return [
            pod
            for serf in self.serfs
            for pod in listed(serf, PODS_PATH)
            if pod["metadata"].get("annotations", {}).get("emulation.liqo.k8s.io/role") == role
        ]

    def slices(self, pair):
        return [item for item in listed(self.serfs[pair[0]], SLICES) if item["metadata"]["name"] == pair[1]]


@pytest.mark.usefixtures("fleet_serfs")
def test_any_order_of_events_ends_in_agreement(row_of_serfs):
    Events.serfs = row_of_serfs
    run_state_machine_as_test(
        Events,
        settings=settings(
            max_examples=3,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
