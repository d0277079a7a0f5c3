"""Which packages the programs of an image import, held against the lock file that the image is built from."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
import importlib, sys
from importlib.metadata import packages_distributions
for module in sys.argv[1:]:
    importlib.import_module(module)
known = packages_distributions()
print(*{name.lower() for module in {name.partition(".")[0] for name in sys.modules} for name in known.get(module, ())})
"""
OF_OUR_OWN = {"serflab", "setuptools", "pip", "mypy"}


def imported_by(modules: list[str]) -> set[str]:
    """Return the packages that modules import, asked of an interpreter that has imported nothing else."""
    done = subprocess.run([sys.executable, "-c", ASK, *modules], check=True, capture_output=True, text=True)
    return {name.replace("_", "-") for name in done.stdout.split()} - OF_OUR_OWN


def locked(image: Path) -> set[str]:
    """Return the packages in the lock file of an image's folder."""
    lock = (image / "requirements.lock").read_text()
    return set(re.findall(r"^([a-z0-9][-a-z0-9.]*)==", lock, flags=re.MULTILINE))
