"""Many emulated Kubernetes clusters on one machine, replaying recorded workloads."""

__version__ = "0.1.0"
