#!/usr/bin/env python3
"""Peer serfs and run pods of one on another, by the REST API of the viewer (docs/offload.md)."""

import sys
from pathlib import Path

try:
    import serflab  # noqa: F401  only asked whether it is installed
except ModuleNotFoundError:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

try:
    from serflab.cli.offload import main
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed for {sys.executable}: run this with .venv/bin/python of the checkout, "
        "which ./setup_emulation.sh makes"
    )

if __name__ == "__main__":
    main(Path(__file__).name)
