#!/usr/bin/env python3
"""Play the time series of an emulation config onto the pods of a serf (see docs/replay.md)."""

import sys

try:
    from serflab.emulation.cli import replay_main
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed for {sys.executable}: run this with .venv/bin/python of the checkout, "
        "which ./setup_emulation.sh makes"
    )

if __name__ == "__main__":
    sys.exit(replay_main(sys.argv[1:], __file__))
