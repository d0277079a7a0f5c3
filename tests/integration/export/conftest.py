"""An exported lab that was applied to a cluster, shared by all tests of a worker."""

from __future__ import annotations

import pytest
from exported_lab import NAMESPACE, NODE, ExportedLab, run_commands_on_this_machine, serflab

from bare_serfs import CHECKOUT, port_block, running_bare_serfs


@pytest.fixture(scope="session")
def two_clusters(tmp_path_factory):
    state_dir = tmp_path_factory.mktemp("engine")
    topology = CHECKOUT / "topology.yaml"
    with running_bare_serfs(state_dir, topology, ["serf1", "serf2"], port_block(3) + 50) as serfs:
        serfs["serf1"].kubectl("create", "-f", "-", stdin=NODE)
        yield serfs["serf1"], serfs["serf2"]


@pytest.fixture(scope="session")
def exported_lab(two_clusters, tmp_path_factory):
    host, real = two_clusters
    directory = tmp_path_factory.mktemp("export")
    inside = directory / "inside" / "kubeconfig"
    inside.parent.mkdir()
    inside.write_text(real.kubeconfig.read_text())
    run_commands_on_this_machine(host, {"KUBECONFIG": str(inside)})
    lab = ExportedLab(directory / "manifests", host, real, inside)
    serflab("export", "kubernetes", f"--namespace={NAMESPACE}", "--serfs=3", f"--output={lab.directory}")
    lab.apply()
    return lab
