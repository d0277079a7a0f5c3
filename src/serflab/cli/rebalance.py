"""`serflab rebalance`: the closed loop of load-aware rebalancing of VMs, and each of its parts by itself."""

from __future__ import annotations

from typing import Final

import click

from serflab.cli.lazy import LazyGroup

_MODULES: Final[dict[str, str]] = {
    "admission": "rebalance_webhook",
    "algorithms": "rebalance_rules",
    "compare": "rebalance_compare",
    "controller": "rebalance_controller",
    "crd": "rebalance_crd",
    "exporter": "rebalance_exporter",
    "policy": "rebalance_rules",
    "rules": "rebalance_rules",
    "scenarios": "rebalance_compare",
    "webhook": "rebalance_webhook",
    "down": "rebalance_loop",
    "explain": "rebalance_views",
    "plot": "rebalance_plot",
    "prove": "rebalance_prove",
    "status": "rebalance_loop",
    "switch": "rebalance_loop",
    "up": "rebalance_loop",
    "watch": "rebalance_views",
}


@click.group(cls=LazyGroup, modules=_MODULES)
def rebalance() -> None:
    """Rebalance VMs by their load: the loop of exporter, rules, descheduler, webhook and controller."""
