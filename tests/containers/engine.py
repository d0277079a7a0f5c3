"""The Docker engine as the tests use it: through its command line, as people and containerlab do."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bare_serfs import CHECKOUT, worker_number

# The distribution's own Docker has both builders; another one on PATH may lack the plugin for BuildKit.
ENVIRONMENT = {**os.environ, "PATH": os.pathsep.join(["/usr/bin", os.environ["PATH"]])}
BASE = "serflab-test-base:bookworm"
SUPERVISORCTL = ("supervisorctl", "-c", "/var/lib/serflab/supervisor/supervisord.conf")
_PATIENCE_SECONDS = 120.0


def docker(*arguments: str, check: bool = True, buildkit: bool = False, **more) -> subprocess.CompletedProcess[str]:
    """Run a docker command."""
    environment = {**ENVIRONMENT, "DOCKER_BUILDKIT": str(int(buildkit))}
    done = subprocess.run(["docker", *arguments], env=environment, text=True, capture_output=True, check=False, **more)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
    return done


def engine_problem() -> str | None:
    """Return why there is no engine to test with, None when there is one."""
    if shutil.which("docker", path=ENVIRONMENT["PATH"]) is None:
        return "there is no docker command"
    done = docker("version", "--format={{.Server.Version}}", check=False)
    return None if done.returncode == 0 else f"docker reaches no engine: {done.stderr.strip()}"


def wait_for(condition, what: str):
    """Wait until the condition holds and return what it returned."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: still not after {_PATIENCE_SECONDS:.0f} s"
        time.sleep(0.2)
    return found


def scratch_image(tag: str, files: dict[str, Path], entrypoint: list[str]) -> str:
    """Make an image that holds these files (path in the image to file here) and nothing else."""
    with (
        subprocess.Popen(
            ["docker", "import", f"--change=ENTRYPOINT {json.dumps(entrypoint)}", "-", tag],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as process,
        tarfile.open(fileobj=process.stdin, mode="w|") as archive,
    ):
        for target, source in files.items():
            item = archive.gettarinfo(str(source), target.lstrip("/"))
            item.mode, item.uid, item.gid = 0o755, 0, 0
            with source.open("rb") as content:
                archive.addfile(item, content)
    assert process.returncode == 0
    return tag


def build(*arguments: str, tag: str, buildkit: bool) -> str:
    """Build an image by `serflab image …`, with one builder or the other."""
    command = [Path(sys.executable).with_name("serflab"), "image", *arguments, f"--tag={tag}", f"--base={BASE}"]
    environment = {**ENVIRONMENT, "DOCKER_BUILDKIT": "1" if buildkit else "0"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return tag


class Images:
    """Images for the tests, made when they are first asked for. The base image stays for the next run."""

    def __init__(self) -> None:
        self._made: list[str] = []

    @cached_property
    def base(self) -> str:
        """Debian with all that a serf needs, so that the builds on it need no network."""
        with (Path(tempfile.gettempdir()) / "serflab-test-base.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if docker("image", "inspect", BASE, check=False).returncode != 0:
                script = CHECKOUT / "images" / "serf" / "debootstrap-base"
                subprocess.run([script, BASE], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
        return BASE

    @cached_property
    def upstream(self) -> str:
        """A serf with the upstream control plane, built by the legacy builder."""
        return self.serf("upstream", "upstream", buildkit=False)

    @cached_property
    def k3s(self) -> str:
        """A serf with the stand-in for K3s, built by BuildKit."""
        source = self.keep(self._name("k3s-stand-in"))
        scratch_image(source, {"/bin/k3s": CHECKOUT / "tests" / "k3s_stand_in.py"}, ["/bin/k3s"])
        return self.serf("k3s", "k3s", f"--k3s-image={source}", buildkit=True)

    @cached_property
    def viewer(self) -> str:
        """The viewer with the offload manager, built by BuildKit."""
        assert self.base
        return build("build-viewer", tag=self.keep(self._name("viewer")), buildkit=True)

    @cached_property
    def rebalance(self) -> str:
        """The programs of the rebalancing loop, built by the legacy builder."""
        assert self.base
        return build("build-rebalance", tag=self.keep(self._name("rebalance")), buildkit=False)

    def serf(self, variant: str, name: str, *arguments: str, buildkit: bool) -> str:
        """Build a serf's image."""
        assert self.base
        return build("build", f"--variant={variant}", *arguments, tag=self.keep(self._name(name)), buildkit=buildkit)

    def keep(self, tag: str) -> str:
        """Note an image that is to be removed in the end."""
        self._made.append(tag)
        return tag

    def remove(self) -> None:
        """Remove what was made, but for the base image."""
        if self._made:
            docker("image", "rm", "--force", *self._made, check=False)

    @staticmethod
    def _name(name: str) -> str:
        return f"serflab-test/serf-{worker_number()}:{name}"


@dataclass
class SerfContainer:
    """A running container of a serf; `name` is the serf's."""

    name: str
    id: str
    networks: list[str] = field(default_factory=list)

    @classmethod
    def run(cls, name: str, image: str, network: str, *options: str) -> SerfContainer:
        """Start a container under the serf's name, in a network where it is known by that name."""
        done = docker(
            "run", "--detach", f"--hostname={name}", f"--network={network}", f"--network-alias={name}", *options, image
        )
        return cls(name, done.stdout.strip(), [network])

    def exec(self, *command: str, check: bool = True, options: tuple[str, ...] = ()) -> str:
        """Return what a command in the container prints on stdout."""
        return docker("exec", *options, self.id, *command, check=check).stdout

    def status(self, *command: str) -> int:
        """Return the exit status of a command in the container."""
        return docker("exec", self.id, *command, check=False).returncode

    def is_ready(self) -> bool:
        """Whether the image's own check finds all programs ready."""
        return self.status("serf-health") == 0

    def await_ready(self) -> None:
        """Wait until all programs of the serf are ready."""
        wait_for(lambda: self.is_ready() or self._must_run(), f"{self.name} is ready")

    def _must_run(self) -> bool:
        assert self.inspect("{{.State.Running}}") == "true", self.logs()
        return False

    def inspect(self, template: str) -> str:
        """Return what `docker inspect` says."""
        return docker("inspect", f"--format={template}", self.id).stdout.strip()

    def logs(self) -> str:
        """Return what the container has printed."""
        done = docker("logs", self.id)
        return done.stdout + done.stderr

    def pid(self, component: str) -> int:
        """Return the process (in the container) of a program, 0 while it does not run."""
        answer = self.exec(*SUPERVISORCTL, "pid", f"{self.name}:{component}", check=False)
        return int(answer) if answer.strip().isdecimal() else 0

    def remove(self) -> None:
        """Remove the container and its data."""
        docker("rm", "--force", "--volumes", self.id, check=False)
