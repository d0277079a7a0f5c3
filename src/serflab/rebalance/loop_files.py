"""The files of a loop: what its Prometheus scrapes and evaluates, and the descheduler's policy.

The lab's own Prometheus reads them too: its configuration names `scrape/*.yml` and `rules/*.yml` beside it
(https://prometheus.io/docs/prometheus/latest/configuration/configuration/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests
import yaml

from serflab.errors import SerflabError
from serflab.lab.inventory import write_atomically
from serflab.lab.loopback import session
from serflab.lab.ports import LOOPBACK
from serflab.lab.prometheus import RETENTION_SIZE, RETENTION_TIME
from serflab.rebalance.loop_settings import OWN_SERF
from serflab.rebalance.policy import PolicySettings, policy
from serflab.rebalance.policy_check import check_policy
from serflab.rebalance.rules import RuleSettings, rule_groups

if TYPE_CHECKING:
    from pathlib import Path

    from serflab.rebalance.loop_settings import Loop

EXPORTER_JOB: Final = "rebalance-exporter"
DESCHEDULER_JOB: Final = "rebalance-descheduler"
_NAME: Final = "rebalance.yml"


def prometheus_directory(loop: Loop) -> Path:
    """Return where the Prometheus of a loop has its files: in the loop's directory, or the lab's."""
    return (loop.directory.parent if loop.central else loop.directory) / "prometheus"


def takes_more(directory: Path) -> bool:
    """Whether a Prometheus with its files there reads rules and jobs that are put beside them."""
    try:
        found = yaml.safe_load((directory / "prometheus.yml").read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError):
        return False
    return "scrape/*.yml" in found.get("scrape_config_files", ()) and "rules/*.yml" in found.get("rule_files", ())


def rule_settings(loop: Loop) -> RuleSettings:
    """Return how the rules of a loop are made: for its nodes alone, over the window that its interval allows."""
    times = loop.times
    return RuleSettings(_duration(times.window), _duration(times.scrape), _labels(loop))


def write_prometheus(loop: Loop) -> bool:
    """Write what the Prometheus of a loop reads; return whether anything changed."""
    directory = prometheus_directory(loop)
    wanted = {
        directory / "rules" / _NAME: yaml.safe_dump(rule_groups(rule_settings(loop)), sort_keys=False, width=1000),
        directory / "scrape" / _NAME: yaml.safe_dump({"scrape_configs": _jobs(loop)}, sort_keys=False),
    }
    if not loop.central:
        own = {
            "global": {"scrape_interval": _duration(5), "evaluation_interval": _duration(5)},
            "rule_files": ["rules/*.yml"],
            "scrape_config_files": ["scrape/*.yml"],
        }
        wanted[directory / "prometheus.yml"] = yaml.safe_dump(own, sort_keys=False)
    changed = [_write(path, text) for path, text in wanted.items()]
    return any(changed)


def remove_from_central(loop: Loop) -> None:
    """Take a loop's rules and jobs out of the lab's Prometheus, if it is still there."""
    for kind in ("rules", "scrape"):
        (prometheus_directory(loop) / kind / _NAME).unlink(missing_ok=True)
    if (prometheus_directory(loop) / "prometheus.yml").exists():
        reload_prometheus(loop.prometheus)


def reload_prometheus(url: str) -> None:
    """Have a Prometheus read its files again; `SerflabError` with what it says when it refuses them."""
    try:
        answer = session().post(f"{url}/-/reload", timeout=10)
    except requests.RequestException as error:
        raise SerflabError(f"Prometheus at {url} did not reload its configuration: {error}") from error
    if not answer.ok:
        raise SerflabError(f"Prometheus at {url} refuses its configuration: {answer.text.strip()}")


def write_policy(loop: Loop) -> bool:
    """Write the descheduler's policy; return whether it changed."""
    return _write(loop.policy, yaml.safe_dump(_policy(loop), sort_keys=False))


def check_loop_policy(loop: Loop) -> None:
    """Raise `InputError` with all that is wrong with the policy that `write_policy` would write."""
    check_policy(_policy(loop), str(loop.policy))


def _policy(loop: Loop) -> dict[str, Any]:
    settings = PolicySettings(
        algorithm=loop.algorithm,
        threshold=loop.threshold,
        target_threshold=loop.target_threshold,
        max_total=loop.max_total,
        max_per_node=loop.max_per_node,
        eviction_limit=loop.eviction_limit,
        prometheus_url=loop.prometheus,
        labels=_labels(loop),
    )
    return policy(settings)


def prometheus_command(loop: Loop, program: Path) -> tuple[str, ...]:
    """Return the command line of a Prometheus of the loop's own."""
    directory = prometheus_directory(loop)
    return (
        str(program),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--storage.tsdb.retention.time={RETENTION_TIME}",
        f"--storage.tsdb.retention.size={RETENTION_SIZE}",
        # Restarted while the exporter is away, it marks no series as stale: old values would count for five minutes.
        f"--query.lookback-delta={_duration(loop.times.window)}",
        f"--web.listen-address={LOOPBACK}:{loop.ports.prometheus}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )


def _jobs(loop: Loop) -> list[dict[str, Any]]:
    labels = _labels(loop)
    every = {"scrape_interval": _duration(loop.times.scrape), "scrape_timeout": _duration(loop.times.scrape)}
    return [
        {
            "job_name": EXPORTER_JOB,
            # `instance` is the node's name: without this there would be one series for all nodes.
            "honor_labels": True,
            **every,
            "static_configs": [{"targets": [f"{LOOPBACK}:{loop.exporter_port}"], "labels": labels}],
        },
        {
            "job_name": DESCHEDULER_JOB,
            **every,
            "scheme": "https",
            "tls_config": {"ca_file": str(loop.pki / "ca.crt")},
            "static_configs": [{"targets": [f"{LOOPBACK}:{loop.ports.descheduler}"], "labels": labels}],
        },
    ]


def _labels(loop: Loop) -> dict[str, str]:
    return {"serf": loop.serf or OWN_SERF}


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_atomically(path, text)
    return True
