"""Run one program as if it were in a pod: with a service account's directory that nobody else sees.

`python -m serflab.rebalance.in_cluster CA -- PROGRAM …` gives PROGRAM the files and variables by which Kubernetes
clients know that they run in a cluster (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/), in a
mount namespace of its own; then it becomes PROGRAM. Root needs nothing else; a user needs a user namespace
(https://man7.org/linux/man-pages/man7/user_namespaces.7.html), in which PROGRAM has no more rights than the user.
The machine's own directories stay as they are. See docs/decisions/0021-in-cluster-for-one-process.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = Path("/var/run")
ACCOUNT = Path("secrets/kubernetes.io/serviceaccount")
"""Where a service account's files are, below `RUN`."""
_VARIABLES = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
# From <sched.h> and <sys/mount.h> of Linux; Python has them from 3.12 on only.
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_HINT = (
    "this machine allows no user namespaces: start the loop as root, or have them allowed "
    "(sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0); in a container, give it CAP_SYS_ADMIN"
)


class NamespaceError(SerflabError):
    """This machine gives the user no mount namespace."""


def command(python: Path, authority: Path, program: Sequence[str]) -> tuple[str, ...]:
    """Return the command line that runs a program in such an environment; `authority` is the CA certificate it sees."""
    return (str(python), "-m", "serflab.rebalance.in_cluster", str(authority), "--", *program)


def enter(authority: Path) -> None:
    """Move this process, which must have one thread only, into such an environment.

    `authority` is a PEM file. Raises `SerflabError`: `NamespaceError` when the machine gives no namespace.
    """
    try:
        certificates = authority.read_bytes()
    except OSError as error:
        raise SerflabError(
            f"{authority}: the CA certificate cannot be read: {error.strerror}", hint="`serflab rebalance up` writes it"
        ) from error
    run = RUN.resolve()
    _own_mounts()
    try:
        _cover(run)
        directory = run / ACCOUNT
        directory.mkdir(parents=True)
        (directory / "ca.crt").write_bytes(certificates)
        # It is sent to Prometheus, which ignores it.
        (directory / "token").write_text("none", encoding="utf-8")
        (directory / "namespace").write_text("kube-system", encoding="utf-8")
    except OSError as error:
        raise NamespaceError(f"nothing can be mounted on {run}: {error.strerror}", hint=_HINT) from error
    os.environ.update(_VARIABLES)


def is_possible(authority: Path) -> SerflabError | None:
    """Try it in a child process; return what is in its way, if anything."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enter(authority)
        except SerflabError as error:
            os.write(writer, f"{error.message}\0{error.hint}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:  # noqa: PTH123 - a descriptor
        text = answer.read().decode()
    os.waitpid(child, 0)
    message, _, hint = text.partition("\0")
    return SerflabError(message, hint=hint) if message else None


def _own_mounts() -> None:
    """Give this process a mount namespace of which nothing gets out; without the right to, a user namespace as well."""
    user, group = os.geteuid(), os.getegid()
    try:
        if _unshare(_CLONE_NEWNS) != 0:
            _check(_unshare(_CLONE_NEWNS | _CLONE_NEWUSER))
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
        _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    except OSError as error:
        raise NamespaceError(f"no mount namespace can be made: {error.strerror}", hint=_HINT) from error


def _cover(directory: Path) -> None:
    """Mount an empty file system on the directory and show in it all that was there, but the secrets of a pod."""
    below = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        links = {entry.name: entry.is_symlink() and Path(entry.path).readlink() for entry in entries}
        _mount("tmpfs", str(directory), "tmpfs", 0)
        for entry in entries:
            if entry.name != ACCOUNT.parts[0]:
                # What cannot be shown, such as another user's mount, the program does without.
                with contextlib.suppress(OSError):
                    _show(f"/proc/self/fd/{below}/{entry.name}", directory / entry.name, links[entry.name])
    finally:
        os.close(below)


def _show(source: str, target: Path, link: Path | bool) -> None:
    if isinstance(link, Path):
        target.symlink_to(link)
        return
    if Path(source).is_dir():
        target.mkdir()
    else:
        target.touch()
    _mount(source, str(target), "", _MS_BIND | _MS_REC)


def _unshare(flags: int) -> int:
    return int(_libc().unshare(flags))


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    _check(_libc().mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno() or errno.EPERM
        raise OSError(number, os.strerror(number))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def main(arguments: Sequence[str]) -> NoReturn:
    """Become the program of the command line `CA -- PROGRAM …`; status 2 for bad usage, 1 when it cannot be done."""
    if len(arguments) < 3 or arguments[1] != "--":
        sys.stderr.write("usage: python -m serflab.rebalance.in_cluster CA -- PROGRAM [ARGUMENT …]\n")
        sys.exit(2)
    try:
        enter(Path(arguments[0]))
        os.execv(arguments[2], list(arguments[2:]))  # noqa: S606 - the program that was asked for
    except (SerflabError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
