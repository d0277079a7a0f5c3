"""A small emulation of three pods, to be varied by the tests."""

from __future__ import annotations

import pytest

from serflab.traces.check import check_config


def series(cpus, memory=100.0):
    return [{"time": at, "cpu": cpu, "memory": memory, "power": cpu / 100, "psi": 0.0} for at, cpu in enumerate(cpus)]


@pytest.fixture
def make_config():
    """Return a function that makes a config of three pods, with parts replaced by its arguments."""

    def make(**parts):
        data = {
            "node_config": {"mode": "single", "single_node": {"name": "node-1", "cpu": "4", "memory": "8Gi"}},
            "namespaces": ["shop", "data"],
            "pods": [
                {"namespace": "shop", "pod_name": "web-0", "time_series": series([100, 200, 300])},
                {"namespace": "shop", "pod_name": "web-1", "time_series": series([10, 10, 10])},
                {"namespace": "data", "pod_name": "db-0", "time_series": series([50.04, 60, 70])},
            ],
            **parts,
        }
        return check_config(data, "some/where/my config.json")

    return make


@pytest.fixture
def config(make_config):
    return make_config()
