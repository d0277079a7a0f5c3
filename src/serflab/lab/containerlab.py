"""containerlab's command line: what is asked of it, and what is read from its answers.

Source: https://containerlab.dev/cmd/deploy/ and the pages beside it. Since 0.78 `deploy` brings a running lab into line
with its file: it adds what is missing, nodes and links, and starts what was stopped. Older ones refuse a running lab.
"""

from __future__ import annotations

import grp
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from serflab.lab.containerlab_files import Deployment

OLDEST = (0, 78)
_NAMES = ("containerlab", "clab")
_GROUP = "clab_admins"
_LOG_LINE = re.compile(r"^\d\d:\d\d:\d\d (?P<level>[A-Z]+) (?P<text>.*)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class UnusableError(SerflabError):
    """This machine has no containerlab that a lab could be deployed with; the message says why."""


@dataclass(frozen=True, slots=True)
class DeployedNode:
    """What `containerlab inspect` says of a node: its container, the container's state, and its address."""

    container: str
    state: str
    status: str
    image: str
    kind: str
    address: str


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
        """Return the nodes of a lab that is deployed, stopped ones as well; none where there is no such lab."""
        done = self._call("inspect", "--name", lab, "--format=json")
        if done.returncode != 0:
            if "not found" in done.stderr:
                return ()
            raise self._failure("inspect", done)
        return parse_inspect(done.stdout, lab)

    def _run(self, lab: Deployment, action: str, *arguments: str) -> None:
        variables = {**lab.variables, "CLAB_LABDIR_BASE": str(lab.base)}
        done = self._call(action, "--topo", str(lab.file), *arguments, variables=variables)
        if done.returncode != 0:
            raise self._failure(action, done)

    def _call(self, *arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        # It would ask the network for a newer version, and wait for the answer.
        given = {"CLAB_VERSION_CHECK": "disable", **(variables or {})}
        command = [str(self.program), *arguments]
        if self.prefix:
            # sudo hands no environment on.
            command = [*self.prefix, "env", *(f"{name}={value}" for name, value in given.items()), *command]
        return subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=False)

    def _failure(self, action: str, done: subprocess.CompletedProcess[str]) -> SerflabError:
        command = shlex.join([*self.prefix, self.program.name, action])
        return SerflabError(f"`{command}` failed: {error_text(done.stderr) or f'exit status {done.returncode}'}")


def find_containerlab() -> Containerlab:
    """Return the containerlab of this machine; `UnusableError` with the reason where there is none to use."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise UnusableError("containerlab is not installed", hint="https://containerlab.dev/install/ tells how")
    program = Path(found).resolve()
    done = subprocess.run([program, "version", "--json"], capture_output=True, text=True, check=False)
    version = parse_version(done.stdout)
    if version is None:
        raise UnusableError(f"{found} does not tell its version: {error_text(done.stderr) or done.stdout.strip()}")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UnusableError(
            f"containerlab {version} is too old: it cannot bring a running lab into line",
            hint=f"install {oldest} or newer: `sudo containerlab version upgrade`",
        )
    return Containerlab(program, version, _prefix(program))


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


def parse_version(text: str) -> str | None:
    """Return the version out of `containerlab version --json`, None where there is none."""
    try:
        version = json.loads(text)["version"]
    except (ValueError, LookupError, TypeError):
        return None
    return version if isinstance(version, str) and re.match(r"\d+\.\d+", version) else None


def parse_inspect(text: str, lab: str) -> tuple[DeployedNode, ...]:
    """Read `containerlab inspect -f json`.

    Since 0.68 the nodes come as a list below the lab's name; before, with `containers` in its place, and on one lab
    alone as a list.
    """
    try:
        nodes = _nodes_of(json.loads(text or "[]"), lab)
        return tuple(
            DeployedNode(
                container=item["name"],
                state=item["state"],
                status=item.get("status", ""),
                image=item["image"],
                kind=item.get("kind", ""),
                address=_address(item.get("ipv4_address", "")),
            )
            for item in nodes
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SerflabError(f"`containerlab inspect` answers something unknown ({error!r}): {text[:200]}") from error


def _nodes_of(data: Any, lab: str) -> list[dict[str, Any]]:  # noqa: ANN401 - several shapes
    if isinstance(data, dict):
        found = data.get(lab, data.get("containers", []))
        return _nodes_of(found, lab)
    return [item for item in data if item.get("lab_name", lab) == lab]


def _address(text: str) -> str:
    return "" if text in {"", "N/A"} else text.partition("/")[0]


def error_text(stderr: str) -> str:
    """Return what containerlab says went wrong, on one line: its final message, else its errors, else all it said."""
    lines = [_ESCAPES.sub("", line).rstrip() for line in stderr.splitlines()]
    entries = [match for line in lines if (match := _LOG_LINE.match(line))]
    final = [line.strip() for line in lines if line.strip() and not _LOG_LINE.match(line) and line.strip() != "ERROR"]
    errors = [match["text"] for match in entries if match["level"] in {"ERRO", "FATA"}]
    return " ".join(final) or "; ".join(errors) or " ".join(line.strip() for line in lines[-3:])


def sudo_notice(containerlab: Containerlab, say: Callable[[str], None]) -> None:
    """Tell why sudo may ask for a password, where it is used."""
    if containerlab.prefix:
        say("containerlab has to run as root: sudo runs it, and may ask for your password")
