"""containerlab's command line: how it is found, and the one way in which it is called.

Source: https://containerlab.dev/cmd/deploy/ and the pages beside it. Since 0.78 `deploy` brings a running lab into line
with its file: it adds what is missing, nodes and links, and starts what was stopped. Older ones refuse a running lab.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import os
import shlex
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab.containerlab_answers import error_text, parse_inspect, parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from serflab.lab.containerlab_answers import DeployedNode
    from serflab.lab.containerlab_files import Deployment

OLDEST = (0, 78)
_NAMES = ("containerlab", "clab")
_GROUP = "clab_admins"
# It would ask the network for a newer version, and wait for the answer.
_QUIET = {"CLAB_VERSION_CHECK": "disable"}
_SECONDS = 30.0


class UnusableError(SerflabError):
    """This machine has no containerlab that a lab could be deployed with; the message says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """How containerlab is started: the command line, and the environment."""

    command: tuple[str, ...]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class Containerlab:
    """containerlab on this machine; `prefix` is how it becomes root."""

    program: Path
    version: str
    prefix: tuple[str, ...] = ()

    def deploy(self, lab: Deployment) -> None:
        """Bring the lab of a topology file up, or into line with it."""
        self._run(lab, "deploy", "--format=json")

    def destroy(self, lab: Deployment) -> None:
        """Remove the lab's containers, links, network and lab directory."""
        self._run(lab, "destroy", "--cleanup")

    def start(self, lab: Deployment, nodes: Sequence[str]) -> None:
        """Start the containers of nodes that were stopped; links that `stop` put by come back."""
        self._run(lab, "start", f"--node={','.join(nodes)}")

    def stop(self, lab: Deployment, nodes: Sequence[str]) -> None:
        """Stop the containers of nodes and put their links by."""
        self._run(lab, "stop", f"--node={','.join(nodes)}")

    def restart(self, lab: Deployment, nodes: Sequence[str]) -> None:
        """Restart the containers of nodes; their links are put by meanwhile."""
        self._run(lab, "restart", f"--node={','.join(nodes)}")

    def inspect(self, lab: str) -> tuple[DeployedNode, ...]:
        """Return the nodes of a lab that is deployed, stopped ones as well; none where there is no such lab.

        Raises `SerflabError`, as also where a password would be asked for.
        """
        done = self.ask("inspect", "--name", lab, "--format=json")
        if done.returncode != 0:
            if "not found" in done.stderr:
                return ()
            raise self._failure("inspect", done)
        return parse_inspect(done.stdout, lab)

    def inspect_interfaces(self, lab: str) -> str:
        """Return what containerlab tells of the interfaces of a lab's containers that run; raises as `inspect`."""
        done = self.ask("inspect", "interfaces", "--name", lab, "--format=json")
        if done.returncode != 0:
            raise self._failure("inspect interfaces", done)
        return done.stdout

    def ask(self, *arguments: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command where nobody can be asked for a password.

        Raises `SerflabError` when it takes longer than that (s; None: half a minute).
        """
        seconds = _SECONDS if seconds is None else seconds
        call = self.call(*arguments, attended=False)
        # `subprocess.run` would wait for the end of a process that it may not kill, as one that sudo has made root.
        process = subprocess.Popen(
            call.command,
            env=call.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            with contextlib.suppress(PermissionError):
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            command = shlex.join([self.program.name, *arguments])
            raise SerflabError(f"`{command}` does not end within {seconds:g} s") from error
        return subprocess.CompletedProcess(call.command, process.returncode, stdout, stderr)

    def call(self, *arguments: str, variables: Mapping[str, str] | None = None, attended: bool = True) -> Call:
        """Return how a command is started with these variables; not `attended`, sudo asks for no password but fails."""
        given = {**_QUIET, **(variables or {})}
        prefix = self.prefix
        if prefix:
            # By their names: everybody may read values on a command line, and some are passwords.
            prefix = (*prefix, *(() if attended else ("-n",)), f"--preserve-env={','.join(given)}")
        return Call((*prefix, str(self.program), *arguments), {**os.environ, **given})

    def _run(self, lab: Deployment, action: str, *arguments: str) -> None:
        variables = {**lab.variables, "CLAB_LABDIR_BASE": str(lab.base)}
        call = self.call(action, "--topo", str(lab.file), *arguments, variables=variables)
        done = subprocess.run(call.command, env=call.env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise self._failure(action, done)

    def _failure(self, action: str, done: subprocess.CompletedProcess[str]) -> SerflabError:
        command = shlex.join([*self.prefix, self.program.name, action])
        return SerflabError(f"`{command}` failed: {error_text(done.stderr) or f'exit status {done.returncode}'}")


def find_containerlab() -> Containerlab:
    """Return the containerlab of this machine; `UnusableError` with the reason where there is none to use."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise UnusableError("containerlab is not installed", hint="https://containerlab.dev/install/ tells how")
    program = Path(found).resolve()
    version = _version(program, program.stat().st_mtime_ns)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UnusableError(
            f"containerlab {version} is too old: it cannot bring a running lab into line",
            hint=f"install {oldest} or newer: `sudo containerlab version upgrade`",
        )
    return Containerlab(program, version, _prefix(program))


@functools.lru_cache(maxsize=4)
def _version(program: Path, changed: int) -> str:  # noqa: ARG001 - another time is another program
    env = {**os.environ, **_QUIET}
    done = subprocess.run([program, "version", "--json"], env=env, capture_output=True, text=True, check=False)
    version = parse_version(done.stdout)
    if version is None:
        raise UnusableError(f"{program} does not tell its version: {error_text(done.stderr) or done.stdout.strip()}")
    return version


def _prefix(program: Path) -> tuple[str, ...]:
    """Return how containerlab becomes root: as it is, or through sudo; `UnusableError` where neither is possible."""
    mode = program.stat()
    if os.geteuid() == 0 or (mode.st_mode & stat.S_ISUID and mode.st_uid == 0 and _in_group(_GROUP)):
        return ()
    sudo = shutil.which("sudo")
    if sudo is None:
        raise UnusableError("containerlab has to run as root, and there is no sudo", hint="run this command as root")
    return (sudo,)


def _in_group(name: str) -> bool:
    try:
        return grp.getgrnam(name).gr_gid in os.getgroups()
    except KeyError:
        # Without the group everybody may use it.
        return True


def sudo_notice(containerlab: Containerlab, say: Callable[[str], None]) -> None:
    """Tell why sudo may ask for a password, where it is used."""
    if containerlab.prefix:
        say("containerlab has to run as root: sudo runs it, and may ask for your password")
