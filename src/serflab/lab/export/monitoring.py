"""The Prometheus of an exported lab, which finds the serfs by asking Kubernetes.

Configuration: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from serflab.errors import Finding, InputError
from serflab.lab.export.objects import (
    DIGEST,
    PROMETHEUS,
    PROMETHEUS_PORT,
    PULL_POLICY,
    SERF,
    SERF_LABEL,
    config_map_volume,
    container_ports,
    container_security,
    digest,
    http_probe,
    mounts,
    pod_security,
)
from serflab.lab.export.resources import prometheus_needs
from serflab.lab.export.text import to_yaml
from serflab.lab.load import JOB
from serflab.lab.prometheus import RETENTION_SIZE, RETENTION_TIME

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.lab.export.objects import Body, Names
    from serflab.lab.export.plan import Export

_NOBODY = 65534
_RULES = "serflab-rules.yml"
_PORTS = {"web": PROMETHEUS_PORT}
_HINT = "`git checkout` brings it back"


def prometheus_objects(names: Names, export: Export) -> list[Body]:
    """Return account, configuration, Service and Deployment of Prometheus."""
    files = {"prometheus.yml": configuration(export), _RULES: _read(export.settings.checkout / "prometheus-rules.yml")}
    # What the discovery of the role `endpointslice` reads.
    rules = [
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    ]
    selector = names.selector(PROMETHEUS)
    return [
        *names.account(PROMETHEUS, PROMETHEUS, rules),
        names.object("v1", "ConfigMap", PROMETHEUS, PROMETHEUS, data=files),
        names.service(PROMETHEUS, PROMETHEUS, selector, _PORTS),
        names.object("apps/v1", "Deployment", PROMETHEUS, PROMETHEUS, spec=_deployment(names, export, files)),
    ]


def configuration(export: Export) -> str:
    """Return `prometheus.yml` of the checkout with the serfs from Kubernetes instead of from a file.

    Raises `InputError` when the file lacks the job of the serfs.
    """
    file = export.settings.checkout / "prometheus.yml"
    data: Any = yaml.safe_load(_read(file))
    jobs = data.get("scrape_configs") if isinstance(data, dict) else None
    job = next((job for job in jobs or () if job.get("job_name") == JOB), None)
    if job is None:
        raise InputError([Finding(str(file), "$.scrape_configs", f"has no job {JOB!r}", _HINT)])
    job.pop("file_sd_configs", None)
    label = SERF_LABEL.replace(".", "_")
    selected = f"app.kubernetes.io/component={SERF},app.kubernetes.io/instance={export.topology.name},{SERF_LABEL}"
    job["kubernetes_sd_configs"] = [
        {
            "role": "endpointslice",
            "namespaces": {"own_namespace": True},
            "selectors": [{"role": "endpointslice", "label": selected}],
        }
    ]
    job["relabel_configs"] = [
        {"source_labels": ["__meta_kubernetes_endpointslice_port_name"], "regex": "metrics", "action": "keep"},
        {"source_labels": [f"__meta_kubernetes_endpointslice_label_{label}"], "target_label": "serf"},
        # As in a lab on one machine: a serf is the same instance when its pod comes back elsewhere.
        {"source_labels": [f"__meta_kubernetes_endpointslice_label_{label}"], "target_label": "instance"},
    ]
    data["rule_files"] = [_RULES]
    data.pop("scrape_config_files", None)
    return to_yaml(data)


def _deployment(names: Names, export: Export, files: dict[str, str]) -> Body:
    needs = prometheus_needs(len(export.serfs), sum(serf.config.pods for serf in export.serfs))
    container = {
        "name": PROMETHEUS,
        "image": export.prometheus_image,
        "imagePullPolicy": PULL_POLICY,
        "args": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={RETENTION_TIME}",
            f"--storage.tsdb.retention.size={RETENTION_SIZE}",
            f"--web.listen-address=:{PROMETHEUS_PORT}",
        ],
        "ports": container_ports(_PORTS),
        "startupProbe": http_probe("/-/ready", "web", 2, 60),
        "readinessProbe": http_probe("/-/ready", "web", 10, 3),
        "resources": needs.resources(),
        "securityContext": container_security(),
        "volumeMounts": mounts({"config": "/etc/prometheus", "data": "/prometheus"}, read_only=("config",)),
    }
    template = {
        "metadata": {"labels": names.labels(PROMETHEUS), "annotations": {DIGEST: digest(files.values())}},
        "spec": {
            "serviceAccountName": PROMETHEUS,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "securityContext": pod_security(_NOBODY),
            "containers": [container],
            "volumes": [config_map_volume("config", PROMETHEUS), {"name": "data", "emptyDir": {}}],
        },
    }
    return {
        "replicas": 1,
        # Two of them would write to the same data if it were on a disk of its own.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": names.selector(PROMETHEUS)},
        "template": template,
    }


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Finding(str(file), "", f"cannot be read: {error}", _HINT)]) from error
