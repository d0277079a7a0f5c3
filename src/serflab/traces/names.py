"""The names that Kubernetes accepts (its documentation: "Object Names and IDs" and "Annotations")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_CHARACTERS: Final = "lower-case letters, digits and '-', beginning and ending with a letter or digit"


def label_problem(name: str) -> str:
    """Return what is wrong with `name` as an RFC 1123 label (a namespace), or nothing."""
    if len(name) > 63:
        return f"Kubernetes refuses names over 63 characters here, this one has {len(name)}"
    return "" if _LABEL.fullmatch(name) else f"Kubernetes refuses the name {name!a}: expected {_CHARACTERS}"


def subdomain_problem(name: str, longest: int = 253) -> str:
    """Return what is wrong with `name` as an RFC 1123 subdomain (a pod, a node) of at most `longest` characters."""
    if len(name) > longest:
        return f"Kubernetes refuses names over {longest} characters here, this one has {len(name)}"
    if _SUBDOMAIN.fullmatch(name):
        return ""
    return f"Kubernetes refuses the name {name!a}: expected {_CHARACTERS}; dots may separate such parts"


def annotation_key_problem(key: str) -> str:
    """Return what is wrong with `key` as the key of an annotation (`prefix/name`), or nothing."""
    prefix, slash, name = key.rpartition("/")
    if slash and subdomain_problem(prefix):
        return f"Kubernetes refuses the annotation key {key!a}: expected a DNS name before the '/'"
    if not _QUALIFIED.fullmatch(name) or len(name) > 63:
        return (
            f"Kubernetes refuses the annotation key {key!a}: expected at most 63 letters, digits, '-', '_' and '.'"
            " after the '/', beginning and ending with a letter or digit"
        )
    return ""


def suggestion(name: str, problem: Callable[[str], str] = subdomain_problem) -> str:
    """Return the hint that names a near spelling which `problem` accepts, or nothing if there is none."""
    dotted = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
    for candidate in (dotted, dotted.replace(".", "-")):
        if candidate != name and not problem(candidate):
            return f"{candidate!a} would be accepted"
    return ""
