"""Where the series of a virtual pod comes from: a workload template, or the emulation config of its serf."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from serflab.errors import InputError
from serflab.kube.refusal import Refusal
from serflab.traces.check import load_config, read_template

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.traces.model import EmulationConfig, Series, Template

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
DIRECTORY = "workload_templates"


def load_workload_template(checkout: Path, name: str) -> Template:
    """Return a template by its name; `Refusal` when there is none of that name, or one that cannot be used."""
    directory = checkout / DIRECTORY
    file = directory / f"{name}.json"
    if not _NAME.fullmatch(name) or not file.is_file():
        names = ", ".join(sorted(file.stem for file in directory.glob("*.json"))) or "none"
        raise Refusal(404, "unknown_template", f"there is no workload template {name!r}", hint=f"there are: {names}")
    try:
        return read_template(file)
    except InputError as error:
        raise Refusal(409, "bad_template", error.message, hint="mend the file; it is read again each time") from error


def own_series(config: Path, namespace: str, name: str) -> Series | None:
    """Return the series of a pod of an emulation config, None when it has none of that name; may raise `InputError`."""
    pods = _config(config, config.stat().st_mtime_ns)
    return pods.get((namespace, name))


@functools.lru_cache(maxsize=4)
def _config(config: Path, _modified: int) -> dict[tuple[str, str], Series]:
    loaded: EmulationConfig = load_config(config)
    return {(pod.namespace, pod.name): pod.series for pod in loaded.pods}
