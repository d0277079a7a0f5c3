"""The serfs as Kubernetes objects: for each group a StatefulSet, for each serf a Service.

A pod learns which serf it is from a table: a ConfigMap with a file of environment variables for each pod's name.
"""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING, Any

from serflab.lab.container_plan import DATA, FILES, NAME_ENV, NAMES_ENV
from serflab.lab.export.objects import (
    API_PORT,
    DIGEST,
    EXPORTER_PORT,
    GROUP_LABEL,
    PULL_POLICY,
    SERF,
    SERF_LABEL,
    config_map_volume,
    container_ports,
    container_security,
    digest,
    environment,
    http_probe,
    mounts,
    pod_security,
)
from serflab.lab.export.plan import FIRST_ORDINAL
from serflab.lab.export.resources import serf_needs
from serflab.lab.serf_settings import CONFIG_ENV, INTERVAL_ENV, PHASE_ENV

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serflab.lab.export.objects import Body, Names
    from serflab.lab.export.plan import Config, ExportedSerf, Group

ENTRYPOINT = "python3 -m serflab.lab.container"
HOME, STATE = str(FILES), str(DATA)
CONFIGS = "configs"
TABLE = "/etc/serflab/pods"
_PORTS = {"api": API_PORT, "metrics": EXPORTER_PORT}
_ARCHIVES = "/etc/serflab/configs"


def config_maps(names: Names, configs: Iterable[Config]) -> list[Body]:
    """Return a ConfigMap for each emulation config, which is gzipped: in plain text it would seldom fit."""
    return [
        names.object(
            "v1",
            "ConfigMap",
            config.name,
            SERF,
            immutable=True,
            binaryData={f"{config.key}.gz": base64.b64encode(config.archive).decode()},
        )
        for config in configs
    ]


def group_objects(names: Names, group: Group) -> list[Body]:
    """Return what a group is: its table, its headless Service, its StatefulSet and its PodDisruptionBudget."""
    selector = {**names.selector(SERF), GROUP_LABEL: group.name}
    table = {serf.pod: _variables(names, group, serf) for serf in group.serfs}
    headless = names.service(group.name, SERF, selector, _PORTS)
    # A name for each pod, ready or not: who asks for a serf that starts shall be refused, not told that it is unknown.
    headless["spec"] = {"clusterIP": "None", "publishNotReadyAddresses": True, **headless["spec"]}
    budget = {"maxUnavailable": "10%", "selector": {"matchLabels": selector}}
    return [
        names.object("v1", "ConfigMap", f"{group.name}-pods", SERF, data=table),
        headless,
        names.object("apps/v1", "StatefulSet", group.name, SERF, spec=_stateful_set(names, group, table)),
        names.object("policy/v1", "PodDisruptionBudget", group.name, SERF, spec=budget),
    ]


def client_services(names: Names, group: Group) -> list[Body]:
    """Return a Service for each serf: its name in the cluster, and by its label the name that Prometheus gives it."""
    services = []
    for serf in group.serfs:
        selector = {**names.selector(SERF), "statefulset.kubernetes.io/pod-name": serf.pod}
        service = names.service(serf.name, SERF, selector, _PORTS)
        service["metadata"]["labels"][SERF_LABEL] = serf.name
        services.append(service)
    return services


def host_names(names: Names, group: Group, serf: ExportedSerf) -> list[str]:
    """Return the names under which a serf's API server is reached, besides that of the serf."""
    service, pod = f"{serf.name}.{names.namespace}", f"{serf.pod}.{group.name}.{names.namespace}"
    return [
        serf.pod,
        service,
        *(f"{name}.svc{zone}" for name in (service, pod) for zone in ("", ".cluster.local")),
    ]


def _variables(names: Names, group: Group, serf: ExportedSerf) -> str:
    values = {
        NAME_ENV: serf.name,
        NAMES_ENV: ",".join(host_names(names, group, serf)),
        CONFIG_ENV: f"{CONFIGS}/{serf.config.key}",
        PHASE_ENV: str(serf.phase),
        INTERVAL_ENV: f"{serf.interval:g}",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _stateful_set(names: Names, group: Group, table: dict[str, str]) -> Body:
    selector = {**names.selector(SERF), GROUP_LABEL: group.name}
    needs = max((serf_needs(serf.config.pods, serf.interval) for serf in group.serfs), key=lambda need: need.memory)
    busiest = max(serf_needs(serf.config.pods, serf.interval).cpu for serf in group.serfs)
    configs = {serf.config.key: serf.config for serf in group.serfs}
    container = {
        "name": SERF,
        "image": group.image,
        "imagePullPolicy": PULL_POLICY,
        # The entrypoint of the image, once the pod's line of the table is in the environment.
        "command": ["sh", "-c", f'set -a; . "{TABLE}/$POD_NAME"; set +a; exec {ENTRYPOINT}'],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *environment({"HOME": STATE, "KUBECONFIG": f"{STATE}/kubeconfig"}),
        ],
        "ports": container_ports(_PORTS),
        "startupProbe": http_probe("/healthz", "metrics", 2, 150),
        "readinessProbe": http_probe("/readyz", "metrics", 10, 3),
        "resources": type(needs)(needs.memory, busiest, needs.disk).resources(),
        "securityContext": container_security(),
        "volumeMounts": mounts(
            {"state": STATE, "configs": f"{HOME}/{CONFIGS}", "pods": TABLE, "tmp": "/tmp"},  # noqa: S108 - a volume
            read_only=("configs", "pods"),
        ),
    }
    template = {
        "metadata": {
            "labels": {**names.labels(SERF), GROUP_LABEL: group.name},
            "annotations": {"kubectl.kubernetes.io/default-container": SERF, DIGEST: digest(table.values())},
        },
        "spec": {
            "automountServiceAccountToken": False,
            # The variables of a thousand Services would be too much for the environment of a process.
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "terminationGracePeriodSeconds": 15,
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": selector},
                }
            ],
            "initContainers": [unpack(group.image)],
            "containers": [container],
            "volumes": [
                {"name": "state", "emptyDir": {}},
                *config_volumes(configs.values()),
                config_map_volume("pods", f"{group.name}-pods"),
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }
    return {
        "serviceName": group.name,
        "replicas": len(group.serfs),
        "ordinals": {"start": FIRST_ORDINAL},
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": selector},
        "template": template,
    }


def unpack(image: str) -> Body:
    """Return the container that unpacks the emulation configs before the others start."""
    script = f'for file in {_ARCHIVES}/*.gz; do gzip -dc "$file" > "{HOME}/{CONFIGS}/$(basename "$file" .gz)"; done'
    few: dict[str, Any] = {"cpu": "10m", "memory": "16Mi"}
    return {
        "name": "configs",
        "image": image,
        "imagePullPolicy": PULL_POLICY,
        "command": ["sh", "-ec", script],
        "resources": {"requests": few, "limits": {"memory": "64Mi"}},
        "securityContext": container_security(),
        "volumeMounts": mounts({"archives": _ARCHIVES, "configs": f"{HOME}/{CONFIGS}"}, read_only=("archives",)),
    }


def config_volumes(configs: Iterable[Config]) -> list[Body]:
    """Return the volumes of the configs: as they came, and for what `unpack` makes of them."""
    sources = [{"configMap": {"name": config.name}} for config in configs]
    return [{"name": "archives", "projected": {"sources": sources}}, {"name": "configs", "emptyDir": {}}]
