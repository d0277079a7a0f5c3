"""Load-aware rebalancing of VMs: objects, scores, webhook, controller, exporter, and the loop that they make."""
