"""Pods that a serf runs for others, and pods of its own that run elsewhere, beside the replay of its config."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import datetime
from importlib.resources import files

import pytest
import yaml
from exporting import Exporter
from programs import PREFIX, eventually, shown

from serflab.emulation.annotator import Annotator, PodReplacedError
from serflab.emulation.names import SHADOW_PODS_PATH, pod_path
from serflab.kube.client import ApiClient
from serflab.kube.credentials import load_credentials
from serflab.traces.model import AnnotationKeys, Series
from serflab.traces.sampling import Clock

FAST = "--interval=0.5"
LIQO = "emulation.liqo.k8s.io/"
CRD = "shadowpods.offloading.liqo.io"
CPUS = [11, 22, 33, 44]


class Provider:
    """What a manager of peerings would do by hand: custom resource, ShadowPods, remote pods."""

    def __init__(self, emulation):
        self.emulation = emulation
        self.serf = emulation.serf
        self.namespace = f"{emulation.data['namespaces'][0]}-guests"
        self.serf.kubectl("create", "namespace", self.namespace)

    def apply(self, *bodies, verb="apply"):
        """Make or change objects."""
        command = [self.serf.local.plan.programs["kubectl"], f"--kubeconfig={self.serf.kubeconfig}", verb, "-f", "-"]
        text = "\n---\n".join(map(json.dumps, bodies))
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)

    def make_resource(self):
        """Make the custom resource known, as the first peering does."""
        resources = yaml.safe_load_all(files("serflab.offload").joinpath("crds.yaml").read_text())
        self.apply(next(resource for resource in resources if resource["metadata"]["name"] == CRD))
        self.serf.kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=60s")
        # Established is said a moment before the path is answered.
        eventually(lambda: self.serf.kubectl("get", "--raw", SHADOW_PODS_PATH, check=False), "ShadowPods are served")

    def remove_resource(self):
        """Remove the custom resource and every ShadowPod with it."""
        self.serf.kubectl("delete", "crd", CRD, "--ignore-not-found")

    def shadow(self, name, **clock):
        """Return a ShadowPod whose pod uses `CPUS`."""
        series = {"cpu": CPUS, "memory": [100] * 4, "power": [1.5] * 4, "psi": [0] * 4}
        clock = {"interval": 1, "loop": True, "phase": 0, **clock}
        annotations = {f"{LIQO}series": json.dumps(series), f"{LIQO}clock": json.dumps(clock)}
        metadata = {"name": name, "namespace": self.namespace, "annotations": annotations}
        return {"apiVersion": "offloading.liqo.io/v1beta1", "kind": "ShadowPod", "metadata": metadata, "spec": {}}

    def pod(self, name):
        """Return a remote pod for the emulated node."""
        metadata = {
            "name": name,
            "namespace": self.namespace,
            "labels": {f"{LIQO}virtual-pod-id": "vp-001", "app.kubernetes.io/managed-by": "serflab"},
            "annotations": {f"{LIQO}is-virtual": "true", f"{LIQO}role": "remote"},
        }
        spec = {
            "containers": [{"name": "app", "image": "serflab/emulated:v1"}],
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
            "nodeSelector": {"kubernetes.io/hostname": self.emulation.data["node_config"]["single_node"]["name"]},
            "automountServiceAccountToken": False,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def annotations(self, name):
        """Return what a remote pod shows."""
        return json.loads(self.serf.kubectl("-n", self.namespace, "get", "pod", name, "-o", "json"))["metadata"][
            "annotations"
        ]

    def index(self, name):
        return self.annotations(name).get(f"{PREFIX}time_index")

    def guests(self):
        return int(self.emulation.lease().get("guests", -1))

    def end(self):
        self.remove_resource()
        self.serf.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture
def provider(created):
    made = Provider(created)
    yield made
    made.end()


def points(provider, name, count):
    """Watch a guest until it has shown `count` different points; (epoch seconds, index, cpu) of each."""
    seen = []

    def look():
        annotations = provider.annotations(name)
        if f"{PREFIX}time_index" in annotations:
            due = datetime.fromisoformat(annotations[f"{PREFIX}timestamp"]).timestamp()
            point = int(due), int(annotations[f"{PREFIX}time_index"]), annotations[f"{PREFIX}cpu"]
            if point not in seen:
                seen.append(point)
        return len(seen) >= count

    eventually(look, f"{count} points, seen are {seen}")
    return seen


def test_a_guest_is_played_exactly_by_its_clock_beside_the_pods_of_the_config(created, provider):
    replay = created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    start = int(time.time()) - 1000
    provider.make_resource()
    provider.apply(provider.shadow("guest", start=start, phase=1), provider.pod("guest"))
    for due, index, cpu in points(provider, "guest", 3):
        assert index == (due - start + 1) % 4
        assert cpu == f"{CPUS[index]}.0m"
        assert due <= time.time()
    eventually(lambda: provider.guests() == 1, "the Lease counts the guest")
    tick = created.tick()
    created.wait_for_tick(tick + 2)
    assert created.lease()["missing-pods"] == created.lease()["patch-failures-total"] == "0"
    # The replay goes, and with it the guest's clock does not: the next one shows the point that is due then.
    assert replay.stop() == 0
    assert provider.guests() == 0
    created.start("replay_metrics", FAST, "--loop")
    later = points(provider, "guest", 3)[-1]
    assert later[1] == (later[0] - start + 1) % 4


def test_guests_are_shown_and_counted_by_the_exporter(created, provider):
    provider.make_resource()
    provider.apply(provider.shadow("guest", start=1000, loop=False), provider.pod("guest"))
    created.start("replay_metrics", FAST, "--loop")
    exporter = Exporter(created)
    node = created.data["node_config"]["single_node"]["name"]
    cpu = "emulation_pod_cpu_millicores", provider.namespace, "guest", node
    eventually(lambda: exporter.scrape().get(cpu) == 44, "the guest's last point")
    scrape = eventually(lambda: (one := exporter.scrape()).get(("serflab_replay_guests",)) == 1 and one, "its number")
    assert scrape["emulation_node_pod_count", node] == 4
    assert set(exporter.pods(scrape)) == {"web-0", "web-1", "db-0"}


def test_guests_come_and_go_with_their_shadow_pods_and_with_the_custom_resource(created, provider):
    replay = created.start("replay_metrics", FAST, "--loop")
    provider.make_resource()
    provider.apply(*(provider.shadow(name, start=1000) for name in ("a", "b")), *map(provider.pod, ("a", "b", "c")))
    eventually(lambda: provider.guests() == 2, "two guests")
    provider.serf.kubectl("-n", provider.namespace, "delete", "shadowpod", "a")
    provider.serf.kubectl("-n", provider.namespace, "delete", "pod", "b")
    eventually(lambda: provider.guests() == 0, "no guest")
    provider.apply(provider.pod("b"))
    eventually(lambda: provider.index("b"), "the pod that was made anew shows a point")
    provider.remove_resource()
    replay.wait_for("has no ShadowPods any more")
    eventually(lambda: provider.guests() == 0, "no guest")
    provider.make_resource()
    provider.apply(provider.shadow("c", start=1000))
    eventually(lambda: provider.index("c"), "the third pod shows a point")
    assert created.lease()["state"] in {"settled", "writing"}
    assert replay.process.poll() is None


def test_guests_are_written_also_in_clock_mode(created, provider):
    provider.make_resource()
    before = {key: pod["metadata"]["resourceVersion"] for key, pod in created.pods().items()}
    provider.apply(provider.shadow("guest", start=1000), provider.pod("guest"))
    created.start("replay_metrics", FAST, "--loop", "--mode=clock")
    points(provider, "guest", 2)
    eventually(lambda: provider.guests() == 1, "the Lease counts the guest")
    assert {key: pod["metadata"]["resourceVersion"] for key, pod in created.pods().items()} == before


def take_away(provider, name="web-0"):
    """Put a virtual pod into the place of a pod of the config, as when it was offloaded."""
    created = provider.emulation
    namespace = created.data["namespaces"][0]
    pod = created.get("pods", "-n", namespace)[name]
    provider.serf.kubectl("-n", namespace, "delete", "pod", name)
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {**pod["metadata"]["labels"], f"{LIQO}virtual-pod-id": "vp-001"},
        "annotations": {**pod["metadata"]["annotations"], f"{LIQO}is-virtual": "true", f"{LIQO}role": "source"},
    }
    spec = {**provider.pod(name)["spec"], "nodeSelector": {"liqo.io/remote-cluster-id": "serf2"}}
    provider.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, verb="create")
    return namespace, name


def version(emulation, key):
    return emulation.pods()[key]["metadata"]["resourceVersion"]


def test_a_pod_that_is_away_is_neither_played_nor_missed_nor_shown(created, provider):
    away = take_away(provider)
    before = version(created, away)
    replay = created.start("replay_metrics", FAST, "--loop")
    exporter = Exporter(created)
    created.wait_for_tick(3)
    eventually(lambda: set(exporter.pods(exporter.scrape())) == {"web-1", "db-0"}, "the pods that are here")
    assert version(created, away) == before
    assert created.lease()["missing-pods"] == "0"
    assert "missing" not in replay.text()


async def test_a_patch_on_its_way_never_lands_on_the_pod_that_took_the_place(created, provider):
    key = created.data["namespaces"][0], "web-0"
    async with ApiClient(load_credentials(created.serf.kubeconfig)) as client:
        annotator = Annotator(client, AnnotationKeys())
        local = annotator.format.shown(await client.get(pod_path(*key)))
        patch = annotator.patch(key, local, Series.of([(999, 1, 1, 1)]), Clock(0, 1, 1, loop=True), 0)
        take_away(provider)
        with pytest.raises(PodReplacedError):
            await annotator.send(patch)
        assert annotator.format.shown(await client.get(pod_path(*key))).values == local.values
        provider.serf.kubectl("-n", key[0], "delete", "pod", key[1])
        with pytest.raises(PodReplacedError):
            await annotator.send(patch)


def test_a_pod_that_comes_home_shows_at_once_the_point_that_it_was_made_with(created, provider):
    namespace, name = take_away(provider)
    replay = created.start("replay_metrics", "--interval=3600", "--loop")
    exporter = Exporter(created)
    created.wait_for_tick(0)
    assert "web-0" not in exporter.pods(exporter.scrape())
    local = created.get("pods", "-n", namespace)["web-1"]
    annotations = {**local["metadata"]["annotations"], f"{PREFIX}cpu": "77.0m", f"{PREFIX}time_index": "2"}
    metadata = {"name": name, "namespace": namespace, "labels": local["metadata"]["labels"], "annotations": annotations}
    provider.serf.kubectl("-n", namespace, "delete", "pod", name)
    provider.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": provider.pod(name)["spec"]})
    # The next tick is an hour away: it is the renewed Lease after which it is shown.
    eventually(lambda: exporter.pods(exporter.scrape()).get(name, [0])[0] == 77.0, "its values")
    assert replay.process.poll() is None


def test_a_pod_that_is_made_at_home_is_played_at_the_next_tick(created, provider):
    namespace, name = take_away(provider)
    created.start("replay_metrics", FAST, "--loop")
    created.wait_for_tick(1)
    provider.serf.kubectl("-n", namespace, "delete", "pod", name)
    assert created.create()[0] == 0
    eventually(
        lambda: f"{PREFIX}time_index" in created.pods()[namespace, name]["metadata"]["annotations"], "a time index"
    )
    assert shown(created.pods()[namespace, name])[0] in {"100.0m", "200.0m", "300.0m"}


def test_create_leaves_alone_what_is_away_and_does_not_wait_for_it(created, provider):
    away = take_away(provider)
    before = version(created, away)
    status, log = created.create()
    assert status == 0, log
    assert "nothing to do: everything is as the config says" in log
    assert "1 pods are away on other serfs: their virtual pods are left alone" in log
    assert version(created, away) == before


def test_a_config_that_wants_a_pod_differently_makes_it_anew_at_home(created, provider):
    away = take_away(provider)
    created.change(lambda data: data["pods"][0]["time_series"][0].update(cpu=999))
    status, log = created.create()
    assert status == 0, log
    assert "replace 1 pods" in log
    assert f"{LIQO}is-virtual" not in created.pods()[away]["metadata"]["annotations"]


def test_delete_removes_virtual_pods_in_the_place_of_its_own(created, provider):
    away = take_away(provider)
    assert created.create("--delete", "--no-wait")[0] == 0
    eventually(lambda: away not in created.pods(), "the virtual pod is gone")
