"""Whether all programs of the serf in this container do their work: the image's HEALTHCHECK.

It runs every few seconds in every container of a lab, so it imports next to nothing. What there is to check is written
down when the container starts.
"""

from __future__ import annotations

import json
import sys
import xmlrpc.client
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serflab.lab.probe import answers
from serflab.lab.sockets import UnixConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = "health.json"
_DATA = Path("/var/lib/serflab")
_SECONDS = 3.0


def problems(data: Path) -> Iterator[str]:
    """Yield what keeps the serf that has its data in that directory from being ready, program by program."""
    try:
        checks = json.loads((data / CHECKS).read_text(encoding="utf-8"))
        states = _states(Path(checks["supervisor"]))
    except (OSError, ValueError, LookupError, HTTPException, xmlrpc.client.Error) as error:
        yield f"the supervisor does not answer: {error}"
        return
    for name, check in checks["programs"].items():
        state = states.get(name, "missing")
        if state != "RUNNING":
            yield f"{name} is {state}"
        elif check["health"] and not _answers(check):
            yield f"{name} is not ready"


def _answers(check: dict[str, str]) -> bool:
    kubeconfig = Path(check["kubeconfig"]) if check["kubeconfig"] else None
    return answers(check["health"], authority=Path(check["authority"]), kubeconfig=kubeconfig)


def _states(socket: Path) -> dict[str, str]:
    """Return the state of each program as supervisord has it (its XML-RPC API, spoken by hand: the client is heavy)."""
    connection = UnixConnection(socket, _SECONDS)
    try:
        body = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo")
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        answer: Any = xmlrpc.client.loads(connection.getresponse().read())[0][0]
    finally:
        connection.close()
    return {info["name"]: info["statename"] for info in answer}


def main() -> int:
    """Print what is not ready; return 0 when everything is."""
    found = list(problems(_DATA))
    sys.stdout.write("\n".join(found or ["ready"]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
