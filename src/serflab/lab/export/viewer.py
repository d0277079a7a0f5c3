"""The viewer's pod: viewer, offload manager and the discovery that finds the serfs for both.

The three share a directory, which is to them what the state directory of a lab is: discovery writes the inventory and
the kubeconfigs, the manager has its socket there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from serflab.lab.export.discovery import PLAN_ENV
from serflab.lab.export.objects import (
    API_PORT,
    DIGEST,
    EXPORTER_PORT,
    PROMETHEUS,
    PROMETHEUS_PORT,
    PULL_POLICY,
    SERF,
    VIEWER,
    VIEWER_PORT,
    config_map_volume,
    container_ports,
    container_security,
    digest,
    environment,
    http_probe,
    mounts,
    pod_security,
)
from serflab.lab.export.resources import viewer_needs
from serflab.lab.export.serfs import CONFIGS, HOME, STATE, config_volumes, unpack
from serflab.lab.inventory import STATE_ENV
from serflab.lab.positions import POSITIONS_ENV
from serflab.lab.serf_settings import INTERVAL_ENV, PHASE_ENV

if TYPE_CHECKING:
    from serflab.lab.export.objects import Body, Names
    from serflab.lab.export.plan import Export

TOKEN_SECRET = "serflab-viewer-token"  # noqa: S105 - a name
_PLAN = "/etc/serflab/lab"
_TOPOLOGY = f"{HOME}/topology.yaml"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_PORTS = {"http": VIEWER_PORT}


def viewer_objects(names: Names, export: Export) -> list[Body]:
    """Return account, files, Service and Deployment of the viewer."""
    pods = sorted(serf.pod for serf in export.serfs)
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        # API servers up to 1.34 ask for `get`, later ones for `create`, when a command is run over a WebSocket.
        {"apiGroups": [""], "resources": ["pods/exec"], "resourceNames": pods, "verbs": ["create", "get"]},
    ]
    files = {
        "lab.json": json.dumps(_plan(names, export), indent=2) + "\n",
        "topology.yaml": export.topology_text,
    }
    selector = names.selector(VIEWER)
    return [
        *names.account(VIEWER, VIEWER, rules),
        names.object("v1", "ConfigMap", "lab", VIEWER, data=files),
        names.service(VIEWER, VIEWER, selector, _PORTS),
        names.object("apps/v1", "Deployment", VIEWER, VIEWER, spec=_deployment(names, export, files)),
    ]


def _plan(names: Names, export: Export) -> dict[str, Any]:
    """Return what discovery has to know: which pod is which serf, and where everything is."""
    serfs = []
    for serf in export.serfs:
        host = f"{serf.name}.{names.namespace}.svc"
        serfs.append(
            {
                "name": serf.name,
                "pod": serf.pod,
                "server": f"https://{host}:{API_PORT}",
                "exporter": f"http://{host}:{EXPORTER_PORT}",
                "config": f"{HOME}/{CONFIGS}/{serf.config.key}",
                "env": {PHASE_ENV: str(serf.phase), INTERVAL_ENV: f"{serf.interval:g}"},
            }
        )
    return {
        "name": names.lab,
        "namespace": names.namespace,
        "selector": ",".join(f"{key}={value}" for key, value in names.selector(SERF).items()),
        "container": SERF,
        "topology": _TOPOLOGY,
        "prometheus": f"http://{PROMETHEUS}.{names.namespace}.svc:{PROMETHEUS_PORT}",
        "viewer": f"http://{VIEWER}.{names.namespace}.svc:{VIEWER_PORT}",
        "serfs": serfs,
    }


def _deployment(names: Names, export: Export, files: dict[str, str]) -> Body:
    image = export.settings.viewer_image
    places = {
        "HOME": STATE,
        "SERFLAB_CHECKOUT": HOME,
        STATE_ENV: STATE,
        POSITIONS_ENV: f"{STATE}/positions",
        "SERFLAB_VIRTUAL_PODS": f"{STATE}/virtual_pods",
    }
    token = {"secretKeyRef": {"name": TOKEN_SECRET, "key": "token", "optional": True}}
    shared = [
        *mounts({"state": STATE, "configs": f"{HOME}/{CONFIGS}", "tmp": "/tmp"}, read_only=("configs",)),  # noqa: S108 - a volume
        {"name": "lab", "mountPath": _TOPOLOGY, "subPath": "topology.yaml", "readOnly": True},
    ]
    needs = viewer_needs(len(export.serfs), sum(serf.config.pods for serf in export.serfs))

    def container(name: str, command: list[str], **more: Any) -> Body:  # noqa: ANN401 - fields of a container
        more = {"env": environment(places), "volumeMounts": shared} | more
        fixed = {"resources": needs[name].resources(), "securityContext": container_security()}
        return {
            "name": name,
            "image": image,
            "imagePullPolicy": PULL_POLICY,
            "command": ["python3", "-u", *command],
            **more,
            **fixed,
        }

    viewer = container(
        VIEWER,
        [f"{HOME}/flask-app/app.py", "--host=0.0.0.0"],
        env=[*environment(places), {"name": "SERFLAB_VIEWER_TOKEN", "valueFrom": token}],
        ports=container_ports(_PORTS),
        startupProbe=http_probe("/api/health", "http", 2, 60),
        readinessProbe=http_probe("/api/health", "http", 10, 3),
    )
    discovery = container(
        "discovery",
        ["-m", "serflab", "export", "discover"],
        env=environment({**places, PLAN_ENV: f"{_PLAN}/lab.json"}),
        volumeMounts=[*shared, *mounts({"lab": _PLAN, "account": _ACCOUNT}, read_only=("lab", "account"))],
    )
    offload = container("offload", ["-m", "serflab", "offload", "manager"])
    template = {
        "metadata": {
            "labels": names.labels(VIEWER),
            "annotations": {
                "kubectl.kubernetes.io/default-container": VIEWER,
                DIGEST: digest(files.values()),
            },
        },
        "spec": {
            "serviceAccountName": VIEWER,
            # Of the three only discovery speaks to Kubernetes; it has the volume `account`.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "initContainers": [unpack(image)],
            "containers": [viewer, offload, discovery],
            "volumes": [
                {"name": "state", "emptyDir": {}},
                *config_volumes(export.configs),
                config_map_volume("lab", "lab"),
                {"name": "account", "projected": {"sources": _account_sources()}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }
    return {
        "replicas": 1,
        # There is one offload manager to a lab.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": names.selector(VIEWER)},
        "template": template,
    }


def _account_sources() -> list[Body]:
    """Return what Kubernetes itself would mount as the account of a pod."""
    certificate = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": certificate},
    ]
