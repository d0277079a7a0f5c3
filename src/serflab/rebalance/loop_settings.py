"""What a loop is started with and where it is: its settings, its times, its ports, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.lab.inventory import write_atomically
from serflab.lab.ports import LOOPBACK, SerfPorts
from serflab.rebalance.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from serflab.rebalance.controller_settings import ControllerSettings
from serflab.rebalance.emulator_settings import Settings
from serflab.rebalance.names import SAMPLES

if TYPE_CHECKING:
    from serflab.rebalance.emulator_settings import Requests
    from serflab.rebalance.names import PsiFormula
    from serflab.rebalance.scenario import Scenario

DIRECTORY: Final = "rebalance"
"""Where a loop's files are, in the state directory of the lab: a state directory of its own."""
FILE_NAME: Final = "loop.json"
OWN_SERF: Final = "rebalance"
"""The name of the serf that a loop starts for itself."""
DEFAULT_INTERVAL: Final = 60.0
SHORTEST_INTERVAL: Final = 5.0
DEFAULT_TARGET_THRESHOLD: Final = float(ALGORITHMS[DEFAULT_ALGORITHM].threshold)
DEFAULT_THRESHOLD: Final = 0.0
DEFAULT_SCENARIO: Final = "hot-node"
NAMESPACE: Final = "default"
EXPORTER_PORT: Final = 8000
PORTS_ABOVE_SERFS: Final = 900
"""How far a loop's ports are above those of the lab's serfs, unless it is told others."""
_SHORTEST_SCRAPE: Final = 1.0
"""A scrape may take as long, and a busy machine needs some of it."""
_SHORTEST_MIGRATION: Final = 0.2
_OFFLINE: Final = Settings()
"""A loop does by default what `serflab rebalance compare` computes."""


@dataclass(frozen=True, slots=True)
class Times:
    """How the time between two cycles is shared out, all in seconds.

    A cycle must see what the one before has done: interval > migration + scrape + rules + window, else the loop acts on
    the past and swings. `scrape` is also how often the rules are evaluated; `window` is what they average over.
    """

    interval: float
    scrape: float
    window: float
    migration: float

    @classmethod
    def of(cls, interval: float) -> Times:
        """Share out an interval: a minute has scrapes every 5 s, a window of 20 s, and up to 27 s for migrations.

        >>> Times.of(60)
        Times(interval=60, scrape=5, window=20, migration=27)
        >>> Times.of(6)
        Times(interval=6, scrape=1, window=3, migration=0.9)
        """
        scrape = min(5.0, max(_SHORTEST_SCRAPE, interval / 12))
        window = max(3 * scrape, interval / 3)
        migration = max(_SHORTEST_MIGRATION, 0.9 * (interval - 2 * scrape - window))
        return cls(interval, _plain(scrape), _plain(window), _plain(migration))

    def time_scale(self, scenario: Scenario) -> float:
        """Return how many times shorter migrations must be for the largest VM of a scenario to move in their time."""
        largest = max((vm.memory_consumption for vm in scenario.vms()), default=0.0)
        return max(1.0, ControllerSettings().migration_seconds(largest) / self.migration)


def _plain(seconds: float) -> float:
    """Return a time in whole milliseconds, as whole seconds where it is."""
    rounded = round(seconds, 3)
    return int(rounded) if rounded == int(rounded) else rounded


@dataclass(frozen=True, slots=True)
class LoopPorts:
    """The ports of a loop: those of a serf of its own, and one for each program but the exporter."""

    serf: SerfPorts
    prometheus: int
    webhook: int
    descheduler: int

    @classmethod
    def of(cls, base: int) -> LoopPorts:
        """Return the ports from `base` on."""
        return cls(SerfPorts.of(0, base), *range(base + 10, base + 13))


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop, as it is asked for and as it is kept while it is up.

    `directory` is its state directory, `serf` the lab's serf that it runs on (empty: one of its own), `kubeconfig` that
    serf's, `scenario` as `load_scenario` takes it. `nodes` is how many were asked for, 0 for those of the scenario;
    `placed` is the digest of the scenario whose VMs were placed last, empty while they are. `threshold` and
    `target_threshold` are points around the average score, `max_total` and `max_per_node` limit VMs on their way,
    `eviction_limit` what a cycle begins of a node (`PolicySettings`); `create_first`, `exclude_source` and `requests`
    are as in `emulator_settings`, `psi` is the formula of pressure. `since` is when the descheduler was started with
    them (seconds since the epoch). `prometheus` is the URL of the Prometheus, `central` tells that it is the lab's.
    `failed` says why the last `up` brought nothing up, empty when it did.
    """

    checkout: Path
    directory: Path
    serf: str
    kubeconfig: Path
    scenario: str
    nodes: int
    algorithm: str
    interval: float
    threshold: float
    target_threshold: float
    port_base: int
    exporter_port: int
    prometheus: str
    max_total: int = _OFFLINE.max_total
    max_per_node: int = _OFFLINE.max_per_node
    eviction_limit: int | None = None
    create_first: bool = _OFFLINE.create_first
    exclude_source: bool = _OFFLINE.exclude_source
    requests: Requests = _OFFLINE.requests
    psi: PsiFormula = _OFFLINE.psi
    central: bool = False
    since: float = 0.0
    placed: str = ""
    failed: str = ""

    @classmethod
    def on_its_own_serf(cls, checkout: Path, state_dir: Path, port_base: int, **values: Any) -> Loop:  # noqa: ANN401
        """Return a loop on a serf that it starts itself, beside the lab in `state_dir`: the defaults, with `values`."""
        directory = loop_directory(state_dir)
        defaults = cls(
            checkout=checkout,
            directory=directory,
            serf="",
            kubeconfig=directory / "serf" / "kubeconfig",
            scenario=f"{checkout / SAMPLES}:{DEFAULT_SCENARIO}",
            nodes=0,
            algorithm=DEFAULT_ALGORITHM,
            interval=DEFAULT_INTERVAL,
            threshold=DEFAULT_THRESHOLD,
            target_threshold=DEFAULT_TARGET_THRESHOLD,
            port_base=port_base,
            exporter_port=EXPORTER_PORT,
            prometheus=f"http://{LOOPBACK}:{LoopPorts.of(port_base).prometheus}",
        )
        return defaults.changed(**values)

    @property
    def ports(self) -> LoopPorts:
        """Return its ports."""
        return LoopPorts.of(self.port_base)

    @property
    def times(self) -> Times:
        """Return how its interval is shared out."""
        return Times.of(self.interval)

    @property
    def exporter(self) -> str:
        """Return the URL of its exporter."""
        return f"http://{LOOPBACK}:{self.exporter_port}"

    @property
    def limits(self) -> str:
        """Return in words how much it moves at once."""
        cycle = self.max_per_node if self.eviction_limit is None else self.eviction_limit or 1
        return (
            f"up to {self.max_total} VMs on their way, {self.max_per_node} out of a node, "
            f"{cycle} of a node begun in a cycle"
        )

    @property
    def ways(self) -> str:
        """Return in words how its VMs move, what they request, and how pressure is computed."""
        order = "target pod first" if self.create_first else "source pod goes first"
        back = "to another node" if self.exclude_source else "to any node"
        return f"migrations: {order}, {back}; requests {self.requests}; pressure by {self.psi}"

    @property
    def webhook(self) -> str:
        """Return the URL of its webhook's server."""
        return f"https://{LOOPBACK}:{self.ports.webhook}"

    @property
    def descheduler(self) -> str:
        """Return the URL of the descheduler's server."""
        return f"https://{LOOPBACK}:{self.ports.descheduler}"

    @property
    def policy(self) -> Path:
        """Return the file of the descheduler's policy."""
        return self.directory / "policy.yaml"

    @property
    def pki(self) -> Path:
        """Return the directory of the loop's certificates."""
        return self.directory / "pki"

    @property
    def logs(self) -> Path:
        """Return the directory with a log file for each program."""
        return self.directory / "logs"

    @property
    def descheduler_log(self) -> Path:
        """Return the log of the descheduler, from which its cycles are read."""
        return self.logs / "descheduler.log"

    def save(self) -> None:
        """Keep it in its directory, atomically."""
        write_atomically(self.directory / FILE_NAME, json.dumps(asdict(self), indent=2, default=str) + "\n")

    def changed(self, **values: Any) -> Loop:  # noqa: ANN401 - each field has its own type
        """Return the same loop with other values."""
        return replace(self, **values)


def loop_directory(state_dir: Path) -> Path:
    """Return the state directory of the loop that belongs to a lab's state directory."""
    return state_dir / DIRECTORY


def load_loop(state_dir: Path) -> Loop:
    """Return the loop that is up beside the lab in that state directory; `SerflabError` when none is."""
    path = loop_directory(state_dir) / FILE_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        paths = {name: Path(data[name]) for name in ("checkout", "directory", "kubeconfig")}
        return Loop(**{**data, **paths})
    except FileNotFoundError as error:
        raise SerflabError("no rebalancing loop is up", hint="`serflab rebalance up` starts one") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SerflabError(
            f"{path} cannot be read: {error}", hint="`serflab rebalance down` and `serflab rebalance up` write it anew"
        ) from error
