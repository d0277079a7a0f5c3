"""A small emulation config, right in every detail, to be broken by the tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Hypothesis would judge wall time, which a busy machine decides.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def point(time, cpu=40.0):
    return {"time": time, "cpu": cpu, "memory": 85.0, "power": 0.15, "psi": 0.0}


@pytest.fixture
def config():
    return {
        "metadata": {"total_pods": 2, "total_namespaces": 2, "time_points": 2},
        "node_config": {"mode": "single", "single_node": {"name": "node-1", "cpu": "16", "memory": "60Gi"}},
        "namespaces": ["shop", "data"],
        "pods": [
            {
                "full_name": "shop/web-0",
                "namespace": "shop",
                "pod_name": "web-0",
                "time_series": [point(1), point(2, 50)],
            },
            {"namespace": "data", "pod_name": "db-0", "time_series": [point(1), point(2)]},
        ],
        "emulation": {"tick_seconds": 30, "psi_aggregation": "max", "annotation_keys": {"cpu": "my.org/cpu"}},
        "node_time_series": [{"time": 1, "node_cpu_load": 1.88}, {"time": 2, "node_power": 125.8}],
    }
