"""All manifests of an exported lab as files that read well; the same input gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab.export.monitoring import prometheus_objects
from serflab.lab.export.network import network_policies
from serflab.lab.export.objects import Names
from serflab.lab.export.serfs import client_services, config_maps, group_objects
from serflab.lab.export.text import to_yaml
from serflab.lab.export.viewer import viewer_objects
from serflab.lab.inventory import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from serflab.lab.export.objects import Body
    from serflab.lab.export.plan import Export

HEADER = "# Written by `serflab export kubernetes`, which replaces it as a whole the next time.\n"
KUSTOMIZATION = "kustomization.yaml"
_POD_SECURITY = "pod-security.kubernetes.io"


def manifests(export: Export) -> dict[str, list[Body]]:
    """Return the objects by the file that they belong into, in the order in which they can be applied."""
    names = Names(export.topology.name, export.settings.namespace)
    services = [service for group in export.groups for service in client_services(names, group)]
    return {
        "namespace.yaml": [_namespace(names)],
        "configs.yaml": config_maps(names, export.configs),
        "network.yaml": network_policies(names),
        "serfs.yaml": [body for group in export.groups for body in group_objects(names, group)],
        "services.yaml": services,
        "prometheus.yaml": prometheus_objects(names, export),
        "viewer.yaml": viewer_objects(names, export),
    }


def files(export: Export) -> dict[str, str]:
    """Return the text of each file, `kustomization.yaml` among them."""
    texts = {name: HEADER + documents(bodies) for name, bodies in manifests(export).items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(texts),
    }
    return {**texts, KUSTOMIZATION: HEADER + to_yaml(kustomization)}


def stream(export: Export) -> str:
    """Return all objects as one text for `kubectl apply -f -`."""
    return HEADER + documents([body for bodies in manifests(export).values() for body in bodies])


def documents(bodies: list[Body]) -> str:
    """Return objects as YAML documents."""
    return "".join(f"---\n{to_yaml(body)}" for body in bodies)


def write(texts: Mapping[str, str], directory: Path) -> list[str]:
    """Write the files and return the names of those that changed.

    Raises `SerflabError`, and writes nothing, where a file of that name is there that serflab did not write.
    """
    before = {name: _content(directory / name) for name in texts}
    foreign = [name for name, content in before.items() if content is not None and not content.startswith(HEADER)]
    if foreign:
        problem = f"{directory} has files of these names that are not serflab's: {', '.join(foreign)}"
        raise SerflabError(problem, hint="name another directory with --output")
    changed = [name for name, text in texts.items() if before[name] != text]
    try:
        for name in changed:
            write_atomically(directory / name, texts[name])
            (directory / name).chmod(0o644)
    except OSError as error:
        raise SerflabError(f"{directory} cannot be written: {error.strerror or error}") from error
    return changed


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SerflabError(f"{file} cannot be read: {error.strerror or error}") from error


def _namespace(names: Names) -> Body:
    labels = {
        **names.labels("namespace"),
        **{f"{_POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "warn")},
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace, "labels": labels}}
