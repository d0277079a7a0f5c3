"""Which runtime a lab is brought up with: containerlab where it can be used, else plain processes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from serflab.errors import SerflabError
from serflab.lab import inventory
from serflab.lab.containerlab import Containerlab, find_containerlab
from serflab.lab.engine import Engine
from serflab.lab.inventory import load_inventory

if TYPE_CHECKING:
    from pathlib import Path


class Runtime(StrEnum):
    """What may be asked for; `auto` leaves it to the machine."""

    AUTO = "auto"
    LOCAL = inventory.LOCAL
    CONTAINERLAB = inventory.CONTAINERLAB


@dataclass(frozen=True, slots=True)
class ContainerTools:
    """containerlab and the engine that it works with."""

    containerlab: Containerlab
    engine: Engine


@dataclass(frozen=True, slots=True)
class Choice:
    """The runtime that was chosen and why; `tools` are those of the containerlab runtime, None with the local one."""

    runtime: Runtime
    reason: str
    tools: ContainerTools | None = None


def choose_runtime(asked: Runtime, state_dir: Path) -> Choice:
    """Choose a runtime, or look whether the one that was asked for can be had.

    A lab that is up keeps its runtime. Raises `SerflabError` when another one is asked for, or when containerlab is
    asked for and cannot be used.
    """
    up = _runtime_of_the_lab_that_is_up(state_dir)
    if up is not None and asked not in {Runtime.AUTO, up}:
        raise SerflabError(f"this lab is up with the {up} runtime", hint=f"`serflab down` first, to have {asked}")
    if asked is Runtime.LOCAL or up is Runtime.LOCAL:
        return Choice(Runtime.LOCAL, "asked for" if asked is Runtime.LOCAL else "the lab that is up is of that kind")
    wanted = Runtime.CONTAINERLAB in {asked, up}
    try:
        tools = container_tools()
    except SerflabError as error:
        if wanted:
            raise
        return Choice(Runtime.LOCAL, error.message)
    reason = f"containerlab {tools.containerlab.version} and a Docker engine are there"
    if wanted:
        reason = "asked for" if asked is Runtime.CONTAINERLAB else "the lab that is up is of that kind"
    return Choice(Runtime.CONTAINERLAB, reason, tools)


def container_tools() -> ContainerTools:
    """Return what containers are handled with; `SerflabError` says what is missing."""
    return ContainerTools(find_containerlab(), Engine.connect())


def _runtime_of_the_lab_that_is_up(state_dir: Path) -> Runtime | None:
    try:
        return Runtime(load_inventory(state_dir).runtime)
    except (SerflabError, ValueError):
        return None
