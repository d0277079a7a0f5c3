"""The upstream control plane of a serf: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

Flags: https://kubernetes.io/docs/reference/command-line-tools-reference/ and
https://etcd.io/docs/v3.6/op-guide/configuration/.
"""

from __future__ import annotations

from serflab.lab.serf_plan import SERVICE_NETWORK, Component, SerfPlan, Stage

NODE_MONITOR_FLAGS = ("--node-monitor-period=600s", "--node-monitor-grace-period=3600s")
"""KWOK's nodes never miss a heartbeat: they have none. These are the values that kwokctl gives as well."""
API_CLIENT_FLAGS = ("--kube-api-qps=500", "--kube-api-burst=1000")


def upstream_control_plane(plan: SerfPlan) -> tuple[Component, ...]:
    """Return the four programs, in the order in which they start."""
    return _etcd(plan), _apiserver(plan), _controller_manager(plan), _scheduler(plan)


def _etcd(plan: SerfPlan) -> Component:
    pki, ports = plan.pki, plan.ports
    client, peer = f"https://{plan.address}:{ports.etcd}", f"https://{plan.address}:{ports.etcd_peer}"
    command = (
        str(plan.programs["etcd"]),
        f"--name={plan.name}",
        f"--data-dir={plan.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={plan.name}={peer}",
        f"--cert-file={pki.certificate('server')}",
        f"--key-file={pki.key('server')}",
        f"--trusted-ca-file={pki.certificate('ca')}",
        "--client-cert-auth=true",
        f"--peer-cert-file={pki.certificate('server')}",
        f"--peer-key-file={pki.key('server')}",
        f"--peer-trusted-ca-file={pki.certificate('ca')}",
        "--peer-client-cert-auth=true",
        "--unsafe-no-fsync=true",
        # Else a watch of objects that do not change hears nothing, not even that it is still there.
        "--watch-progress-notify-interval=30s",
        "--max-wals=2",
        "--log-level=warn",
    )
    return Component("etcd", Stage.API, command)


def _apiserver(plan: SerfPlan) -> Component:
    pki = plan.pki
    command = (
        str(plan.programs["kube-apiserver"]),
        f"--bind-address={plan.listen}",
        f"--advertise-address={plan.address}",
        f"--secure-port={plan.ports.apiserver}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        f"--client-ca-file={pki.certificate('ca')}",
        f"--etcd-servers=https://{plan.address}:{plan.ports.etcd}",
        f"--etcd-cafile={pki.certificate('ca')}",
        f"--etcd-certfile={pki.certificate('etcd-client')}",
        f"--etcd-keyfile={pki.key('etcd-client')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki.service_account_public_key}",
        f"--service-account-signing-key-file={pki.key('service-account')}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    )
    # It keeps nothing itself, and asked politely it waits ten seconds for an etcd that is ending at the same time.
    return Component("kube-apiserver", Stage.API, command, f"{plan.server}/readyz", stop_signal="KILL")


def _controller_manager(plan: SerfPlan) -> Component:
    pki, port = plan.pki, plan.ports.controller_manager
    command = (
        *_client_of_the_api(plan, "kube-controller-manager", port),
        f"--root-ca-file={pki.certificate('ca')}",
        f"--service-account-private-key-file={pki.key('service-account')}",
        *NODE_MONITOR_FLAGS,
    )
    health = f"https://{plan.address}:{port}/healthz"
    return Component("kube-controller-manager", Stage.CONTROLLERS, command, health)


def _scheduler(plan: SerfPlan) -> Component:
    port = plan.ports.scheduler
    command = _client_of_the_api(plan, "kube-scheduler", port)
    return Component("kube-scheduler", Stage.CONTROLLERS, command, f"https://{plan.address}:{port}/readyz")


def _client_of_the_api(plan: SerfPlan, name: str, port: int) -> tuple[str, ...]:
    """Return what the command lines of controller manager and scheduler begin with."""
    return (
        str(plan.programs[name]),
        f"--bind-address={plan.address}",
        f"--secure-port={port}",
        f"--tls-cert-file={plan.pki.certificate('server')}",
        f"--tls-private-key-file={plan.pki.key('server')}",
        f"--kubeconfig={plan.client_kubeconfig(name)}",
        *API_CLIENT_FLAGS,
        "--leader-elect=false",
        "--profiling=false",
    )
