#!/usr/bin/env python3
"""The viewer: `python flask-app/app.py`, then http://127.0.0.1:8080. See docs/viewer.md."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

try:
    import serflab  # noqa: F401  only asked whether it is installed
except ModuleNotFoundError:
    sys.path.insert(0, str(HERE.parent / "src"))

try:
    from serflab.web.server import main
except ModuleNotFoundError as error:
    sys.exit(
        f"{Path(__file__).name}: the Python package {error.name!r} is not installed\n"
        "  hint: run ./setup_emulation.sh once and then .venv/bin/python flask-app/app.py,\n"
        "        or install with: pip install -r flask-app/requirements.txt"
    )

if __name__ == "__main__":
    sys.exit(main(home=HERE))
