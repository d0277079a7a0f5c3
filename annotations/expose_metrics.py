#!/usr/bin/env python3
"""Serve what the pods of a serf use as Prometheus metrics (see docs/replay.md)."""

import sys

try:
    from serflab.emulation.cli import expose_main
except ModuleNotFoundError as error:
    sys.exit(
        f"{error.name} is not installed for {sys.executable}: run this with .venv/bin/python of the checkout, "
        "which ./setup_emulation.sh makes"
    )

if __name__ == "__main__":
    sys.exit(expose_main(sys.argv[1:], __file__))
