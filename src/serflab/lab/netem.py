"""Delay, jitter, loss and rate of a real link, through `containerlab tools netem`, on both of its ends.

What netem does to an interface concerns what leaves it, so a link that is slow both ways is set at both ends. Source of
the commands: https://containerlab.dev/cmd/tools/netem/set/ (version 0.79). They need root.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import SerflabError
from serflab.lab.containerlab import find_containerlab
from serflab.lab.containerlab_answers import error_text
from serflab.lab.impairments import Impairment
from serflab.lab.link_values import go_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of containerlab (utils/sudo.go), of the kernel and the engine, and of sudo, in this order.
_NO_RIGHTS: Final = re.compile(
    r"root privileges|must be run as root|permission denied|operation not permitted"
    r"|a password is required|is not allowed to|not in the sudoers|you are not allowed to|may not run sudo",
    re.IGNORECASE,
)
_RIGHTS_HINT: Final = (
    "netem needs root: let sudo run containerlab without a password (`NOPASSWD:SETENV:` in its rule), or bring the lab"
    " up as root"
)
_ALIAS: Final = re.compile(r"(.*) \((.*)\)")

End = tuple[str, str]
"""A container's name and one of its interfaces, as the topology file names it."""


class NetemError(SerflabError):
    """The kernel or containerlab refuses to impair a link."""


class Netem:
    """The impairments of interfaces, as containerlab tells and sets them."""

    def set(self, ends: Sequence[End], impairment: Impairment) -> None:
        """Impair the ends of a link; raises `NetemError` after bringing back what was changed already."""
        before = {end: self.show(end[0]).get(end[1]) for end in ends}
        done: list[End] = []
        try:
            for end in ends:
                self._set(end, impairment)
                done.append(end)
        except NetemError:
            for end in done:
                with contextlib.suppress(NetemError):
                    self._restore(end, before[end])
            raise

    def reset(self, ends: Sequence[End]) -> None:
        """Take all impairments from the ends of a link; raises `NetemError`."""
        for end in ends:
            if end[1] in self.show(end[0]):
                self._run("reset", "--node", end[0], "--interface", end[1])

    def show(self, container: str) -> dict[str, Impairment]:
        """Return the impairments of a container's interfaces, only of those that have netem; raises `NetemError`."""
        return read_shown(self._run("show", "--node", container, "--format", "json"), container)

    def _restore(self, end: End, impairment: Impairment | None) -> None:
        if impairment is None:
            self._run("reset", "--node", end[0], "--interface", end[1])
        else:
            self._set(end, impairment)

    def _set(self, end: End, impairment: Impairment) -> None:
        self._run("set", "--node", end[0], "--interface", end[1], *arguments(impairment))

    def _run(self, *words: str) -> str:
        try:
            done = find_containerlab().ask("tools", "netem", *words)
        except SerflabError as error:
            raise NetemError(error.message, hint=error.hint) from error
        if done.returncode:
            raise refusal(words, done.stderr)
        return done.stdout


def arguments(impairment: Impairment) -> list[str]:
    """Return an impairment as options of `tools netem set`, which takes kbit and no less than one of them."""
    found = [f"--delay={impairment.delay * 1e6:.0f}us", f"--jitter={impairment.jitter * 1e6:.0f}us"]
    found.append(f"--loss={impairment.loss:.6g}")
    if impairment.rate is not None:
        found.append(f"--rate={max(1, round(impairment.rate / 1000))}")
    return found


def read_shown(text: str, container: str) -> dict[str, Impairment]:
    """Return the impairments in the answer of `tools netem show --format json`; raises `NetemError` for another one."""
    try:
        items = json.loads(text)[container] or []
        return {_interface(item["interface"]): _shown(item) for item in items}
    except (ValueError, LookupError, TypeError) as error:
        raise NetemError(f"containerlab tells of {container} what is no list of impairments: {error!r}") from error


def refusal(words: Sequence[str], stderr: str) -> NetemError:
    """Return the error for a command that failed: what containerlab says, and what can be done about it."""
    said = error_text(stderr) or "it says nothing"
    if "qdisc kind is unknown" in said:
        return NetemError(
            "this machine's kernel has no netem (sch_netem), so a real link cannot be made slower or lossy",
            hint="load it with `sudo modprobe sch_netem`; it may be in a package such as kernel-modules-extra",
        )
    if _NO_RIGHTS.search(said):
        return NetemError(f"containerlab refuses `tools netem {words[0]}`: {said}", hint=_RIGHTS_HINT)
    return NetemError(f"containerlab refuses `tools netem {' '.join(words)}`: {said}")


def _interface(shown: str) -> str:
    """Return an interface's name in the topology file: `mgmt0-0 (mgmt0.0)` is mgmt0.0, `eth1 (host)` is eth1."""
    match = _ALIAS.fullmatch(shown)
    if match is None:
        return shown
    return match[1] if match[2] == "host" else match[2]


def _shown(item: dict[str, Any]) -> Impairment:
    rate = item["rate"]
    return Impairment(
        go_duration(item["delay"]),
        go_duration(item["jitter"]),
        float(item["packet_loss"]),
        rate * 1000.0 if rate else None,
    )
