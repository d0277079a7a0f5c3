"""K3s as the control plane of a serf: one `k3s server` without its agent, so without kubelet and container runtime.

Flags: https://docs.k3s.io/cli/server; `--disable-agent` is not shown there but taken
(https://github.com/k3s-io/k3s/blob/main/pkg/cli/cmds/server.go).
"""

from __future__ import annotations

from serflab.lab.control_plane import API_CLIENT_FLAGS, NODE_MONITOR_FLAGS
from serflab.lab.serf_plan import SERVICE_NETWORK, Component, SerfPlan, Stage

_NOT_NEEDED = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")


def k3s(plan: SerfPlan) -> Component:
    """Return `k3s server` with everything switched off that a cluster of fake nodes has no use for.

    It keeps its own certificates below `--data-dir` and writes the administrator's kubeconfig. It is not told where to
    listen: then that is everywhere, and the kubeconfig names loopback.
    """
    command = (
        str(plan.programs["k3s"]),
        "server",
        f"--data-dir={plan.directory / 'k3s'}",
        "--disable-agent",
        f"--disable={','.join(_NOT_NEEDED)}",
        "--disable-cloud-controller",
        "--disable-helm-controller",
        "--disable-network-policy",
        "--disable-kube-proxy",
        "--flannel-backend=none",
        "--egress-selector-mode=disabled",
        f"--node-name={plan.name}",
        f"--https-listen-port={plan.ports.apiserver}",
        f"--service-cidr={SERVICE_NETWORK}",
        *(f"--tls-san={name}" for name in (*plan.names, *plan.addresses)),
        f"--write-kubeconfig={plan.kubeconfig}",
        "--write-kubeconfig-mode=600",
        # Nodes of KWOK take their pods' addresses from the serf's pod network.
        "--kube-controller-manager-arg=allocate-node-cidrs=false",
        *(f"--kube-controller-manager-arg={flag.removeprefix('--')}" for flag in NODE_MONITOR_FLAGS),
        *(f"--kube-controller-manager-arg={flag.removeprefix('--')}" for flag in API_CLIENT_FLAGS),
        *(f"--kube-scheduler-arg={flag.removeprefix('--')}" for flag in API_CLIENT_FLAGS),
    )
    # K3s refuses anonymous requests, also to /readyz.
    return Component("k3s", Stage.API, command, f"{plan.server}/readyz", asked_with=plan.kubeconfig)
