"""`python -m serflab`: the command line, where the script is not on the PATH."""

from __future__ import annotations

from serflab.cli.main import main

if __name__ == "__main__":
    main()
