"""What people have set for the links of a lab: kept beside its inventory, and put in the place of the labels."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.lab.inventory import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from serflab.lab.topology import Link, Topology

log = logging.getLogger(__name__)

FILE_NAME: Final = "links.json"
SET, NETEM = "set", "netem"


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a link is made worse by.

    `delay` one way and `jitter` in seconds, `loss` in percent, `rate` in bits/s (None: not limited).
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    rate: float | None = None

    def worse(self, other: Impairment) -> Impairment:
        """Return the worse of two in each value: what a link has whose ends differ."""
        rates = [rate for rate in (self.rate, other.rate) if rate is not None]
        return Impairment(
            max(self.delay, other.delay),
            max(self.jitter, other.jitter),
            max(self.loss, other.loss),
            min(rates, default=None),
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """An impairment in force, and where it comes from: `set` by people, or found in the kernel, `netem`."""

    impairment: Impairment
    source: str = SET


class LinkSettings:
    """The settings of the links of the lab in one state directory, by the link's id; safe to use from threads."""

    def __init__(self, state_dir: Path) -> None:
        self.file = state_dir / FILE_NAME
        self._lock = threading.Lock()

    def load(self) -> dict[str, Setting]:
        """Return all settings; none, with a warning in the log, when the file holds something else."""
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))["links"]
            return {str(name): _setting(entry) for name, entry in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            log.warning("%s holds no settings of links (%r); the labels count", self.file, error)
            return {}

    def put(self, link: str, setting: Setting) -> None:
        """Set a link; raises `SerflabError` when that cannot be written."""
        self._change(link, setting)

    def clear(self, link: str) -> None:
        """Forget what a link was set to; raises `SerflabError` when that cannot be written."""
        self._change(link, None)

    def _change(self, link: str, setting: Setting | None) -> None:
        with self._lock:
            settings = self.load()
            if settings.get(link) == setting:
                return
            settings.pop(link, None)
            if setting is not None:
                settings[link] = setting
            data = {
                "links": {name: {**asdict(kept.impairment), "source": kept.source} for name, kept in settings.items()}
            }
            try:
                write_atomically(self.file, json.dumps(data, indent=1) + "\n")
            except OSError as error:
                raise SerflabError(f"{self.file} cannot be written: {error.strerror or error}") from error


def with_settings(topology: Topology, settings: Mapping[str, Setting]) -> Topology:
    """Return the topology with its links as they are set; those that are not stay as their labels say."""
    return replace(topology, links=tuple(_set(link, settings.get(link.id)) for link in topology.links))


def impairment_of(link: Link) -> Impairment:
    """Return what is in force on a link."""
    return Impairment(link.delay, link.jitter, link.loss, link.rate)


def _set(link: Link, setting: Setting | None) -> Link:
    return replace(link, **asdict(setting.impairment), source=setting.source) if setting else link


def _setting(entry: Mapping[str, Any]) -> Setting:
    rate = None if entry["rate"] is None else float(entry["rate"])
    impairment = Impairment(float(entry["delay"]), float(entry["jitter"]), float(entry["loss"]), rate)
    return Setting(impairment, str(entry["source"]))
