"""Environment variables in a topology file, expanded as containerlab does it before it reads the YAML.

Source of the syntax: https://containerlab.dev/manual/topo-def-file/#environment-variables. A variable that is not set
and has no default stays as `$VAR`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_EXPRESSION = re.compile(
    rf"\$(?:(?P<escaped>\$)|(?P<bare>{_NAME})|"
    rf"\{{(?P<name>{_NAME})(?:(?P<operator>:?[-=+])(?P<word>(?:[^{{}}]|\$\{{[^{{}}]*\}})*))?\}})"
)


def variables_in(text: str) -> frozenset[str]:
    """Return the names of the variables that a text asks for."""
    found: set[str] = set()
    for match in _EXPRESSION.finditer(text):
        found |= {name for name in (match["name"], match["bare"]) if name} | variables_in(match["word"] or "")
    return frozenset(found)


def escape(text: str) -> str:
    """Return what `expand` makes this text of, whatever the environment."""
    return text.replace("$", "$$")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Return the text with `$VAR`, `${VAR}`, `${VAR:-word}`, `${VAR:=word}`, `${VAR+word}` and `$$` replaced.

    As with containerlab, and unlike in a shell, an empty variable counts as one that is not set, but that `-` and `=`
    without a colon do not replace it, and that `+` and `:+` do.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name, operator = match["name"] or match["bare"], match["operator"] or ""
        found = environment.get(name)
        if operator.endswith("+"):
            return "" if found is None else expand(match["word"], environment)
        if operator and (found is None or (operator.startswith(":") and not found)):
            return expand(match["word"], environment)
        return found or f"${name}"

    return _EXPRESSION.sub(value, text)
