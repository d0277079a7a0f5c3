"""Plain HTTP requests to services of the lab on this machine."""

from __future__ import annotations

import requests


def session() -> requests.Session:
    """Return a session that ignores the proxies of the environment: all that it speaks to is on loopback."""
    opened = requests.Session()
    opened.trust_env = False
    return opened
