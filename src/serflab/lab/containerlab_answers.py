"""What is read from containerlab's answers: its version, the nodes of a lab, and what went wrong."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from serflab.errors import SerflabError

_LOG_LINE = re.compile(r"^\d\d:\d\d:\d\d (?P<level>[A-Z]+) (?P<text>.*)")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class DeployedNode:
    """What `containerlab inspect` says of a node: its container, the container's state, and its address."""

    container: str
    state: str
    status: str
    image: str
    kind: str
    address: str


def parse_version(text: str) -> str | None:
    """Return the version out of `containerlab version --json`, None where there is none."""
    try:
        version = json.loads(text)["version"]
    except (ValueError, LookupError, TypeError):
        return None
    return version if isinstance(version, str) and re.match(r"\d+\.\d+", version) else None


def parse_inspect(text: str, lab: str) -> tuple[DeployedNode, ...]:
    """Read `containerlab inspect -f json`.

    Since 0.68 the nodes come as a list below the lab's name; before, with `containers` in its place, and on one lab
    alone as a list.
    """
    try:
        nodes = _nodes_of(json.loads(text or "[]"), lab)
        return tuple(
            DeployedNode(
                container=item["name"],
                state=item["state"],
                status=item.get("status", ""),
                image=item["image"],
                kind=item.get("kind", ""),
                address=_address(item.get("ipv4_address", "")),
            )
            for item in nodes
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SerflabError(f"`containerlab inspect` answers something unknown ({error!r}): {text[:200]}") from error


def _nodes_of(data: Any, lab: str) -> list[dict[str, Any]]:  # noqa: ANN401 - several shapes
    if isinstance(data, dict):
        found = data.get(lab, data.get("containers", []))
        return _nodes_of(found, lab)
    return [item for item in data if item.get("lab_name", lab) == lab]


def _address(text: str) -> str:
    return "" if text in {"", "N/A"} else text.partition("/")[0]


def error_text(stderr: str) -> str:
    """Return what containerlab says went wrong, on one line: its final message, else its errors, else all it said."""
    lines = [_ESCAPES.sub("", line).rstrip() for line in stderr.splitlines()]
    entries = [match for line in lines if (match := _LOG_LINE.match(line))]
    final = [line.strip() for line in lines if line.strip() and not _LOG_LINE.match(line) and line.strip() != "ERROR"]
    errors = [match["text"] for match in entries if match["level"] in {"ERRO", "FATA"}]
    return " ".join(final) or "; ".join(errors) or " ".join(line.strip() for line in lines[-3:])
