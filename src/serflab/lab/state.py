"""The state directory of a lab: made, recognised and removed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab.inventory import FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path

_TAG = "CACHEDIR.TAG"
# https://bford.info/cachedir/: backup programs leave such a directory out.
_TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# The state of a serflab lab; `serflab down` removes it.\n"
_SPACE_GIB_A_SERF = 0.3


def prepare(state_dir: Path, serfs: int) -> None:
    """Make the state directory for that many serfs.

    Raises `SerflabError` when it holds something else already or its disk is too full.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_ours(state_dir) and any(state_dir.iterdir()):
            raise SerflabError(
                f"{state_dir} holds files that are not serflab's",
                hint="name an empty or new directory in SERFLAB_STATE",
            )
        (state_dir / _TAG).write_text(_TAG_TEXT, encoding="utf-8")
    except OSError as error:
        raise SerflabError(f"{state_dir} cannot be written: {error.strerror}") from error
    needed, free = serfs * _SPACE_GIB_A_SERF, shutil.disk_usage(state_dir).free / 2**30
    if free < needed:
        raise SerflabError(
            f"{serfs} serfs need about {needed:.1f} GiB below {state_dir}, {free:.1f} GiB are free",
            hint="free some, take fewer serfs with --serfs, or name another disk's directory in SERFLAB_STATE",
        )


def remove(state_dir: Path, *, keep_data: bool) -> None:
    """Remove the state directory, or with `keep_data` only what says that a lab is up.

    A state directory within it is another's, such as that of a rebalancing loop: it stays, and so does what holds it.
    """
    if not state_dir.exists():
        return
    if not _is_ours(state_dir):
        raise SerflabError(f"{state_dir} is not a state directory of serflab; nothing in it was removed")
    if keep_data:
        (state_dir / FILE_NAME).unlink(missing_ok=True)
        for name in ("supervisor", "offload"):
            shutil.rmtree(state_dir / name, ignore_errors=True)
        return
    others = [entry for entry in state_dir.iterdir() if _is_ours(entry)]
    if not others:
        shutil.rmtree(state_dir)
        return
    for entry in state_dir.iterdir():
        if entry.name == _TAG or entry in others:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def is_bare(state_dir: Path) -> bool:
    """Whether nothing is in the state directory any more but what tells that it is one."""
    return state_dir.is_dir() and [entry.name for entry in state_dir.iterdir()] == [_TAG]


def _is_ours(state_dir: Path) -> bool:
    return (state_dir / _TAG).exists()
