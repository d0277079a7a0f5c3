"""Three bare serfs in a row for peerings: shared by all tests of a worker, swept clean before each."""

from __future__ import annotations

import pytest
from fleet_sweep import add_node, sweep

from bare_serfs import CHECKOUT, port_block, running_bare_serfs

TOPOLOGY = f"""
name: row
topology:
  defaults: {{kind: linux, env: {{SERFLAB_CONFIG: "{CHECKOUT / "annotations" / "emulation_config.json"}"}}}}
  nodes: {{serf1: {{}}, serf2: {{}}, serf3: {{}}, island: {{}}}}
  links:
    - endpoints: [serf1:eth1, serf2:eth1]
    - endpoints: [serf2:eth2, serf3:eth1]
"""


@pytest.fixture(scope="session")
def row_of_serfs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("row")
    topology = directory / "topology.yaml"
    topology.write_text(TOPOLOGY)
    with running_bare_serfs(directory / "lab", topology, ["serf1", "serf2", "serf3"], port_block(3)) as serfs:
        for serf in serfs:
            add_node(serf)
        yield serfs


@pytest.fixture
def fleet_serfs(row_of_serfs):
    """serf1 - serf2 - serf3, each with one node of 16 CPUs, 60Gi and 110 pods, and nothing of a peering."""
    sweep(row_of_serfs)
    return row_of_serfs
