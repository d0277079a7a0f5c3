#!/usr/bin/env python3
"""A stand-in for K3s, which cannot be had where serflab is developed: it is not K3s, it only behaves like it outside.

Like K3s it takes the flags of `k3s server` (https://docs.k3s.io/cli/server, and the hidden ones of K3s' own
pkg/cli/cmds/server.go) and ends with status 1 on one that it does not know; needs root unless `--disable-agent` is
given; refuses anonymous requests, also to /readyz; keeps all of its state below `--data-dir`; writes a kubeconfig for
the administrator with the mode asked for, once its API server is up; is `kubectl` when it is called so. Behind it run
the upstream programs from the directory that `K3S_STAND_IN` names, as its children, which end with it. One that ends
takes K3s with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

# The stand-in runs in a serf's image, which has the library.
from serflab.lab.certificates import issue_pki, kubeconfig

FLAGS = {
    "text": """
        config debug-log vmodule log bind-address advertise-address data-dir service-node-port-range
        cluster-domain flannel-backend egress-selector-mode servicelb-namespace write-kubeconfig
        write-kubeconfig-mode write-kubeconfig-group helm-job-image token token-file agent-token
        agent-token-file server cluster-reset-restore-path datastore-endpoint datastore-cafile
        datastore-certfile datastore-keyfile etcd-snapshot-name etcd-snapshot-schedule-cron
        etcd-snapshot-dir etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-access-key etcd-s3-secret-key
        etcd-s3-bucket etcd-s3-region etcd-s3-folder etcd-s3-timeout default-local-storage-path
        node-name image-credential-provider-bin-dir image-credential-provider-config
        container-runtime-endpoint default-runtime image-service-endpoint pause-image snapshotter
        private-registry system-default-registry resolv-conf flannel-iface flannel-conf
        flannel-cni-conf vpn-auth vpn-auth-file
    """,
    "list": """
        tls-san cluster-cidr service-cidr cluster-dns kube-apiserver-arg etcd-arg
        kube-controller-manager-arg kube-scheduler-arg kube-cloud-controller-manager-arg disable
        node-label node-taint airgap-extra-registry node-ip node-external-ip kubelet-arg
        kube-proxy-arg kube-controller-arg kube-cloud-controller-arg
    """,
    "number": """
        v https-listen-port advertise-port etcd-snapshot-retention lb-server-port
    """,
    "switch": """
        debug alsologtostderr tls-san-security flannel-ipv6-masq flannel-external-ip cluster-init
        cluster-reset etcd-expose-metrics etcd-disable-snapshots etcd-snapshot-compress etcd-s3
        etcd-s3-skip-ssl-verify etcd-s3-insecure disable-scheduler disable-cloud-controller
        disable-kube-proxy disable-network-policy disable-helm-controller disable-apiserver
        disable-controller-manager disable-etcd embedded-registry with-node-id docker
        disable-default-registry-endpoint protect-kernel-defaults secrets-encryption enable-pprof
        rootless prefer-bundled-bin selinux disable-agent
    """,
}
KINDS = {name: kind for kind, names in FLAGS.items() for name in names.split()}
ABBREVIATIONS = {"c": "config", "d": "data-dir", "l": "log", "o": "write-kubeconfig", "t": "token", "s": "server"}
CHOICES = {
    "flannel-backend": {"none", "vxlan", "host-gw", "wireguard-native"},
    "egress-selector-mode": {"agent", "cluster", "pod", "disabled"},
    "disable": {"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"},
}
DEFAULTS = {
    "data-dir": "/var/lib/rancher/k3s",
    "https-listen-port": 6443,
    "service-cidr": ["10.43.0.0/16"],
    "flannel-backend": "vxlan",
    "egress-selector-mode": "agent",
    "write-kubeconfig": "/etc/rancher/k3s/k3s.yaml",
    "write-kubeconfig-mode": "600",
}
_PR_SET_PDEATHSIG = 1


class UsageError(Exception):
    """The command line is not one of K3s."""


def parse(arguments: list[str]) -> dict[str, object]:
    """Return the values of `k3s server`'s flags, read as its command-line library does."""
    given: dict[str, list[str]] = {}
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            raise UsageError(f"not a flag: {word}")
        name, equals, value = word.lstrip("-").partition("=")
        name = ABBREVIATIONS.get(name, name)
        if name not in KINDS:
            raise UsageError(f"flag provided but not defined: -{name}")
        if not equals and KINDS[name] != "switch":
            if not left:
                raise UsageError(f"flag needs an argument: -{name}")
            value = left.pop(0)
        given.setdefault(name, []).append(value)
    return {**DEFAULTS, **{name: _value(name, values) for name, values in given.items()}}


def _value(name: str, values: list[str]) -> object:
    """Return what a flag says; a list gathers all that was given, of all others the last counts."""
    kind, last = KINDS[name], values[-1]
    if kind == "switch" and last not in {"", "true", "false"}:
        raise UsageError(f'invalid boolean value "{last}" for -{name}: parse error')
    if kind == "number" and not last.isdecimal():
        raise UsageError(f'invalid value "{last}" for flag -{name}: parse error')
    items = [item for value in values for item in value.split(",")] if kind == "list" else [last]
    if wrong := set(items) - CHOICES.get(name, set(items)):
        raise UsageError(f"invalid value for -{name}: {', '.join(sorted(wrong))}")
    return {"switch": last != "false", "number": last.isdecimal() and int(last), "list": items, "text": last}[kind]


def serve(options: dict[str, object]) -> int:
    """Run the control plane until it is told to end or one of its parts ends."""
    if not options.get("disable-agent") and os.getuid() != 0:
        sys.stderr.write("server must run as root, or with --rootless and/or --disable-agent\n")
        return 1
    data = Path(str(options["data-dir"])) / "server"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = [name for name in options.get("tls-san", []) if name]
    addresses = [name for name in names if name.replace(".", "").isdecimal() or ":" in name]
    pki = issue_pki(
        data / "tls",
        ["localhost", str(options["node-name"]), *(name for name in names if name not in addresses)],
        ["127.0.0.1", "10.43.0.1", *addresses],
        renewable=True,
    )
    url = f"https://127.0.0.1:{options['https-listen-port']}"
    inside = data / "cred.kubeconfig"
    inside.write_text(kubeconfig(pki, "admin", "default", url))
    children = [_run(command, data) for command in _commands(options, pki, data, inside)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while not _ready(url, pki):
            if any(child.poll() is not None for child in children[:2]):
                return 1
            time.sleep(0.1)
        target = Path(str(options["write-kubeconfig"]))
        target.write_text(kubeconfig(pki, "admin", "default", url))
        target.chmod(int(str(options["write-kubeconfig-mode"]), 8))
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
        return 1
    finally:
        for child in children:
            child.kill()


def _commands(options, pki, data: Path, inside: Path) -> list[list[str]]:
    programs = Path(os.environ["K3S_STAND_IN"])
    store = "http://127.0.0.1:2379"
    serving = [f"--tls-cert-file={pki.certificate('server')}", f"--tls-private-key-file={pki.key('server')}"]
    signing = pki.key("service-account")

    def extra(component: str) -> list[str]:
        return [f"--{item}" for item in options.get(f"{component}-arg", [])]

    def client(component: str, port: int) -> list[str]:
        return [
            str(programs / component),
            f"--kubeconfig={inside}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--leader-elect=false",
            *serving,
        ]

    return [
        [
            str(programs / "etcd"),
            f"--data-dir={data / 'db'}",
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync=true",
            "--log-level=error",
        ],
        [
            str(programs / "kube-apiserver"),
            "--bind-address=0.0.0.0",
            "--advertise-address=127.0.0.1",
            f"--secure-port={options['https-listen-port']}",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--endpoint-reconciler-type=none",
            f"--client-ca-file={pki.certificate('ca')}",
            f"--etcd-servers={store}",
            f"--service-cluster-ip-range={options['service-cidr'][0]}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki.service_account_public_key}",
            f"--service-account-signing-key-file={signing}",
            *serving,
            *extra("kube-apiserver"),
        ],
        [
            *client("kube-controller-manager", 10257),
            f"--root-ca-file={pki.certificate('ca')}",
            f"--service-account-private-key-file={signing}",
            "--allocate-node-cidrs=true",
            "--cluster-cidr=10.42.0.0/16",
            *extra("kube-controller-manager"),
        ],
        [*client("kube-scheduler", 10259), *extra("kube-scheduler")],
    ]


def _run(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    """Start a part of K3s, which is one process: whatever ends K3s ends its parts."""
    prctl = ctypes.CDLL(None).prctl
    return subprocess.Popen(command, cwd=directory, preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))  # noqa: PLW1509 - there are no threads


def _ready(url: str, pki) -> bool:
    context = ssl.create_default_context(cafile=str(pki.certificate("ca")))
    context.load_cert_chain(pki.certificate("admin"), pki.key("admin"))
    try:
        with urllib.request.urlopen(f"{url}/readyz", context=context, timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def main() -> int:
    """Be `kubectl`, `k3s kubectl` or `k3s server`."""
    called, *arguments = sys.argv
    if Path(called).name == "kubectl" or arguments[:1] == ["kubectl"]:
        rest = arguments if Path(called).name == "kubectl" else arguments[1:]
        program = Path(os.environ["K3S_STAND_IN"]) / "kubectl"
        os.execv(program, [str(program), *rest])
    if arguments[:1] != ["server"]:
        sys.stderr.write(f"No help topic for '{arguments[0] if arguments else ''}'\n")
        return 3
    try:
        options = parse(arguments[1:])
    except UsageError as error:
        sys.stderr.write(f"Incorrect Usage: {error}\n")
        return 1
    sys.stdout.write(f"stand-in for k3s: {json.dumps(options, sort_keys=True)}\n")
    sys.stdout.flush()
    return serve(options)


if __name__ == "__main__":
    sys.exit(main())
