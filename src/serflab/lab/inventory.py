"""The inventory of a lab, `.serflab/lab.json`: which serfs there are and how each is reached.

Both runtimes end in this file; everything above (status, viewer, offload, rebalancing) reads it and knows no runtime.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serflab.errors import SerflabError

FILE_NAME = "lab.json"
LOCAL, CONTAINERLAB = "local", "containerlab"
STATE_ENV = "SERFLAB_STATE"
_VERSION = 1
_ANEW = "`serflab down` and `serflab up` write it anew"


@dataclass(frozen=True, slots=True)
class Serf:
    """One emulated cluster: where its API server, its exporter, its emulation config and its logs are.

    `container` names the container that it runs in, empty where it runs as processes of this machine; `logs` is then a
    directory in that container.
    """

    name: str
    kubeconfig: Path
    server: str
    exporter: str
    config: Path
    logs: Path
    env: dict[str, str] = field(default_factory=dict)
    container: str = ""

    @property
    def metrics_url(self) -> str:
        """Return the URL that Prometheus scrapes."""
        return f"{self.exporter}/metrics"


@dataclass(frozen=True, slots=True)
class Inventory:
    """A lab that `serflab up` brought up: its serfs in the order of the topology, and the services beside them."""

    name: str
    runtime: str
    topology: Path
    serfs: tuple[Serf, ...]
    prometheus: str
    viewer: str

    def serf(self, name: str) -> Serf:
        """Return the serf of that name; `SerflabError` names those there are."""
        for serf in self.serfs:
            if serf.name == name:
                return serf
        names = ", ".join(serf.name for serf in self.serfs) or "none"
        raise SerflabError(f"there is no serf {name!r} in this lab", hint=f"the serfs are: {names}")

    def save(self, state_dir: Path) -> None:
        """Write the inventory into the state directory, atomically."""
        data = {"version": _VERSION, **asdict(self)}
        write_atomically(state_dir / FILE_NAME, json.dumps(data, indent=2, default=str) + "\n")


def load_inventory(state_dir: Path) -> Inventory:
    """Read the inventory of the lab in that state directory; `SerflabError` when no lab is up there."""
    path = state_dir / FILE_NAME
    try:
        return _inventory(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise SerflabError(f"no lab is up: {path} is not there", hint="bring it up with `serflab up`") from error
    except (OSError, ValueError) as error:
        raise SerflabError(f"{path} cannot be read: {error}", hint=_ANEW) from error
    except (LookupError, TypeError) as error:
        raise SerflabError(f"{path} was written by another version of serflab ({error!r})", hint=_ANEW) from error


def _inventory(data: dict[str, Any]) -> Inventory:
    if data["version"] != _VERSION:
        raise LookupError(f"its version is {data['version']}, this serflab knows {_VERSION}")
    serfs = tuple(
        Serf(
            name=item["name"],
            kubeconfig=Path(item["kubeconfig"]),
            server=item["server"],
            exporter=item["exporter"],
            config=Path(item["config"]),
            logs=Path(item["logs"]),
            env=item["env"],
            container=item.get("container", ""),
        )
        for item in data["serfs"]
    )
    return Inventory(data["name"], data["runtime"], Path(data["topology"]), serfs, data["prometheus"], data["viewer"])


def state_directory(checkout: Path) -> Path:
    """Return where a checkout keeps its lab: `$SERFLAB_STATE`, else `.serflab` in the checkout."""
    override = os.environ.get(STATE_ENV)
    return Path(override).absolute() if override else checkout / ".serflab"


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new content and never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
