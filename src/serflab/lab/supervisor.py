"""supervisord, which starts, restarts and stops the programs of a lab.

Its configuration is written from `Program`s; it is spoken to over its XML-RPC API on a Unix socket
(https://supervisord.org/api.html). A program is started by whoever knows that what it needs is ready, hence
`autostart=false`; once started, supervisord keeps it running.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from serflab.errors import InputError, SerflabError
from serflab.lab.inventory import write_atomically
from serflab.lab.processes import LAB_ENV
from serflab.lab.sockets import remove_elsewhere, socket_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DIRECTORY = "supervisor"
"""Where supervisord's own files lie in the state directory."""
_LOG_BYTES = "10MB"
_START_SECONDS = 15.0
STOP_SECONDS = 8
"""How long a program has for its end before it is killed."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program of a group: its command, its log file and what its environment has beyond the lab's.

    Asked to end by `stop_signal`, it is killed after `stop_seconds`. A program that `may_end` is started again after a
    failure only, which a refusal of its input (status 2) is not; one that runs `at_once` needs nothing else to be
    ready. `user` is whom it runs as, empty for the supervisor's user. The log is `rotated` unless it is no file.
    """

    group: str
    name: str
    command: tuple[str, ...]
    log: Path
    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = STOP_SECONDS
    may_end: bool = False
    at_once: bool = False
    user: str = ""
    rotated: bool = True

    @property
    def full_name(self) -> str:
        """Return `group:name`, as supervisord calls it."""
        return f"{self.group}:{self.name}"


@dataclass(frozen=True, slots=True)
class ProgramState:
    """What supervisord says of a program.

    `state` is STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN; `started` is the time of its
    latest start (seconds since the epoch, 0 before the first).
    """

    state: str
    pid: int
    problem: str
    started: int

    @classmethod
    def of(cls, info: dict[str, Any]) -> ProgramState:
        """Take it from an answer of supervisord."""
        return cls(info["statename"], info["pid"], info["spawnerr"], info["start"])


class ShuttingDownError(SerflabError):
    """supervisord is ending its programs and itself, and does nothing else any more."""

    def __init__(self) -> None:
        super().__init__("the lab's supervisor is shutting down", hint="try again in a few seconds")


class Supervisor:
    """The supervisord of one lab, running or not."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._directory = state_dir / DIRECTORY
        self._socket = socket_path(self._directory, "supervisor.sock")

    @property
    def log(self) -> Path:
        """Return supervisord's own log."""
        return self._directory / "supervisord.log"

    def is_running(self) -> bool:
        """Whether supervisord answers, if only that it is shutting down."""
        try:
            self._call("getState")
        except ShuttingDownError:
            return True
        except SerflabError:
            return False
        return True

    def configure(self, programs: Iterable[Program]) -> None:
        """Make these the programs of the lab.

        Starts supervisord where it does not run; else adds the groups that are new, and stops and replaces those whose
        programs changed. Nothing is started. Groups that are not named any more are stopped and removed.
        """
        self.write(programs)
        if not self.is_running():
            self._start()
            return
        [[added, changed, removed]] = self._call("reloadConfig")
        for group in (*changed, *removed):
            self._call("stopProcessGroup", group)
            self._call("removeProcessGroup", group)
        for group in (*added, *changed):
            self._call("addProcessGroup", group)

    def write(self, programs: Iterable[Program]) -> None:
        """Write the configuration of a supervisord that has these programs."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._configuration_file, self._configuration(list(programs)))

    @property
    def command(self) -> tuple[str, ...]:
        """Return the command of a supervisord with that configuration; with `--nodaemon` it stays in the foreground."""
        return (sys.executable, "-m", "supervisor.supervisord", "--configuration", str(self._configuration_file))

    @property
    def socket(self) -> Path:
        """Return the Unix socket of supervisord's API."""
        return self._socket

    @property
    def _configuration_file(self) -> Path:
        return self._directory / "supervisord.conf"

    def start(self, name: str) -> bool:
        """Start the program `group:name`; return False when it ran already."""
        try:
            self._call("startProcess", name, False)  # noqa: FBT003 - positional in the protocol: do not wait
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.ALREADY_STARTED:
                return False
            raise SerflabError(f"supervisord could not start {name}: {fault.faultString}") from fault
        return True

    def stop(self, name: str) -> None:
        """Stop the program `group:name`, or with `group:*` all programs of a group, and wait for their end."""
        try:
            if name.endswith(":*"):
                self._call("stopProcessGroup", name.removesuffix(":*"))
            else:
                self._call("stopProcess", name)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in {Faults.NOT_RUNNING, Faults.BAD_NAME}:
                raise SerflabError(f"supervisord could not stop {name}: {fault.faultString}") from fault

    def states(self) -> dict[str, ProgramState]:
        """Return the state of every program by `group:name`."""
        answers = self._call("getAllProcessInfo")
        return {f"{info['group']}:{info['name']}": ProgramState.of(info) for info in answers}

    def state(self, name: str) -> ProgramState:
        """Return the state of the program `group:name`."""
        return ProgramState.of(self._call("getProcessInfo", name))

    def shut_down(self) -> None:
        """Stop all programs side by side, then supervisord itself; returns when it has ended or nothing answers."""
        if self.is_running():
            # It may be shutting down already, or end between two calls.
            with contextlib.suppress(SerflabError):
                self._call("stopAllProcesses")
                self._call("shutdown")
            deadline = time.monotonic() + _START_SECONDS
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.05)
        remove_elsewhere(self._socket, self._directory)

    def _start(self) -> None:
        environment = {**os.environ, LAB_ENV: str(self._state_dir)}
        done = subprocess.run(self.command, env=environment, capture_output=True, text=True, check=False)
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_running():
            if done.returncode != 0 or time.monotonic() > deadline:
                said = (done.stderr or done.stdout).strip()
                raise SerflabError(f"supervisord did not start: {said or 'no answer'}", hint=f"its log is {self.log}")
            time.sleep(0.02)

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - each method of the protocol has its own
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == Faults.SHUTDOWN_STATE:
                    raise ShuttingDownError from fault
                raise
            except (OSError, HTTPException) as error:
                hint = "`serflab up` starts it"
                raise SerflabError(
                    f"the lab's supervisor does not answer on {self._socket}: {error}", hint=hint
                ) from error

    def _configuration(self, programs: list[Program]) -> str:
        _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = 65536 if most_files == resource.RLIM_INFINITY else min(65536, most_files)
        sections = [
            f"[unix_http_server]\nfile={_escape(self._socket)}\nchmod=0700\n",
            (
                f"[supervisord]\nlogfile={_escape(self.log)}\nlogfile_maxbytes={_LOG_BYTES}\nlogfile_backups=1\n"
                f"pidfile={_escape(self._directory / 'supervisord.pid')}\nchildlogdir={_escape(self._directory)}\n"
                f"minfds={files}\nminprocs=1\n"
                # Without, root is warned of itself.
                f"{'' if os.getuid() else 'user=root'}\n"
            ),
            (
                "[rpcinterface:supervisor]\n"
                "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            ),
            f"[supervisorctl]\nserverurl=unix://{_escape(self._socket)}\n",
        ]
        groups: dict[str, list[str]] = {}
        for program in programs:
            section = f"{program.group}-{program.name}"
            groups.setdefault(program.group, []).append(section)
            sections.append(_program_section(section, program))
        sections += [f"[group:{group}]\nprograms={','.join(names)}\n" for group, names in groups.items()]
        return "\n".join(sections)


def _program_section(section: str, program: Program) -> str:
    user = f"user={program.user}\n" if program.user else ""
    environment = ",".join(f'{name}="{_quotable(value)}"' for name, value in sorted(program.env.items()))
    return (
        f"[program:{section}]\n"
        f"process_name={program.name}\n{user}"
        f"command={_escape(shlex.join(program.command))}\n"
        f"directory={_escape(program.directory)}\n"
        f"environment={environment}\n"
        f"autostart={str(program.at_once).lower()}\nautorestart={'unexpected' if program.may_end else 'true'}\n"
        f"exitcodes=0,{InputError.exit_status}\n"
        f"startsecs={0 if program.at_once else 1}\nstartretries=1000000\n"
        f"stopsignal={program.stop_signal}\n"
        f"stopwaitsecs={program.stop_seconds}\nstopasgroup=false\nkillasgroup=true\n"
        # Of all values this one is expanded twice.
        f"redirect_stderr=true\nstdout_logfile={_escape(_escape(program.log))}\n"
        f"stdout_logfile_maxbytes={_LOG_BYTES if program.rotated else 0}\nstdout_logfile_backups=1\n"
    )


def _escape(text: object) -> str:
    """Write a value so that supervisord, which expands %(name)s, reads it as it is.

    Raises `SerflabError` for what its files cannot hold: they have no quoting, and ` #` or ` ;` begins a comment.
    """
    value = str(text)
    if re.search(r"\s[#;]|[\r\n]", value) or value != value.strip():
        raise _cannot_hold(value)
    return value.replace("%", "%%")


def _quotable(value: str) -> str:
    """Write the value of an environment variable, which supervisord strips of quotes at its ends."""
    if '"' in value or value != value.strip("'"):
        raise _cannot_hold(value)
    return _escape(value)


def _cannot_hold(value: str) -> SerflabError:
    return SerflabError(
        f"supervisord's configuration cannot hold {value!r}",
        hint="move the checkout, or name a directory with a plainer name in SERFLAB_STATE",
    )
