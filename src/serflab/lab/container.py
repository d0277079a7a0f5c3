"""The serf in a container: the entrypoint, and the program that brings the others up.

`python3 -m serflab.lab.container` writes what the serf's programs read and becomes their supervisor, so that the
container's first process is supervisord, which reaps orphans and ends all programs on SIGTERM. One of the programs is
`python3 -m serflab.lab.container start`, which does what a runtime does outside: it starts the others in order, each
when what it needs is ready, and creates the serf's resources.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from serflab.errors import Finding, InputError, SerflabError
from serflab.lab.components import components
from serflab.lab.container_health import CHECKS
from serflab.lab.container_plan import Machine, container_plan
from serflab.lab.health import Watchman
from serflab.lab.inventory import write_atomically
from serflab.lab.processes import LAB_ENV
from serflab.lab.supervised_serf import RefusedError, SupervisedSerf
from serflab.lab.supervisor import DIRECTORY as SUPERVISOR_DIRECTORY
from serflab.lab.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from typing import NoReturn

    from serflab.lab.serf_plan import SerfPlan

USER = "serflab"
START = "start"
_PAUSE_SECONDS = 5.0
# supervisord writes there what a program prints, so that `docker logs` shows it.
_CONTAINER_OUTPUT = Path("/dev/fd/1")


def enter() -> NoReturn:
    """Prepare the serf and become its supervisor."""
    plan = container_plan(os.environ, _machine())
    supervisor = Supervisor(plan.directory)
    plan.directory.mkdir(parents=True, exist_ok=True)
    serf = SupervisedSerf(plan, Watchman(supervisor))
    serf.prepare()
    supervisor.write([*serf.programs(), _start_program(plan)])
    _write_checks(plan, supervisor)
    if plan.user:
        _hand_over(plan.directory, plan.user)
    os.environ[LAB_ENV] = str(plan.directory)
    _say(f"{plan.name}: {plan.variant.value} control plane, config {plan.config}, phase {plan.phase}")
    os.execv(sys.executable, [*supervisor.command, "--nodaemon"])  # noqa: S606 - the supervisor of our own configuration


def start() -> None:
    """Start the serf's programs in order; tries again, with a pause, when one does not become ready.

    Raises `RefusedError` when the serf's config is refused, which trying again would not change.
    """
    plan = container_plan(os.environ, _machine())
    began = time.monotonic()
    while True:
        serf = SupervisedSerf(plan, Watchman(Supervisor(plan.directory)))
        try:
            serf.start_cluster()
            _say(f"{plan.name}: the control plane is ready after {time.monotonic() - began:.1f} s")
            serf.create_resources()
            serf.start_exporter()
            serf.start_replay()
        except RefusedError:
            raise
        except SerflabError as error:
            _say(f"error: {error}\ntrying again in {_PAUSE_SECONDS:g} s")
            time.sleep(_PAUSE_SECONDS)
        else:
            _say(f"{plan.name}: ready after {time.monotonic() - began:.1f} s")
            return


def _start_program(plan: SerfPlan) -> Program:
    command = (str(plan.python), "-u", "-m", "serflab.lab.container", START)
    return Program(
        plan.name, START, command, _CONTAINER_OUTPUT, plan.directory, may_end=True, at_once=True, rotated=False
    )


def _machine() -> Machine:
    """Return this container; started as root, it gives root up for all programs that can do without."""
    families = {socket.AF_INET, socket.AF_INET6}
    found = [item.address for items in psutil.net_if_addrs().values() for item in items if item.family in families]
    # An address of one link only ("fe80::1%eth0") tells nobody where to go.
    addresses = tuple(dict.fromkeys(address for address in found if "%" not in address))
    return Machine(socket.gethostname(), addresses, USER if os.getuid() == 0 and _has_user() else "")


def _has_user() -> bool:
    return any(entry.pw_name == USER for entry in pwd.getpwall())


def _write_checks(plan: SerfPlan, supervisor: Supervisor) -> None:
    programs = {
        part.name: {
            "health": part.health,
            "authority": str(plan.pki.certificate("ca")),
            "kubeconfig": str(part.asked_with or ""),
        }
        for part in components(plan)
    }
    checks = {"supervisor": str(supervisor.socket), "programs": programs}
    write_atomically(plan.directory / CHECKS, json.dumps(checks, indent=2) + "\n")


def _hand_over(directory: Path, user: str) -> None:
    """Make the user the owner of the serf's data, all but what belongs to the supervisor."""
    shutil.chown(directory, user, user)
    for path in directory.rglob("*"):
        if not path.is_symlink() and path.relative_to(directory).parts[0] != SUPERVISOR_DIRECTORY:
            shutil.chown(path, user, user)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    """Enter, or start the programs when asked to; exit status 0, 1, or 2 for input that is refused."""
    try:
        if sys.argv[1:] == [START]:
            start()
        elif not sys.argv[1:]:
            enter()
        else:
            raise InputError([Finding("arguments", "", f"are {sys.argv[1:]}; expected none, or {START!r}")])
    except SerflabError as error:
        _say(f"error: {error}")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
