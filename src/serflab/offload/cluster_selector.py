"""Which virtual nodes a NamespaceOffloading's clusterSelector selects: a NodeSelector of Kubernetes.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#NodeSelectorTerm
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def selects(selector: Mapping[str, Any] | None, node: Mapping[str, Any]) -> bool:
    """Whether a node is selected: by any of the terms, or when there is none at all (Liqo's rule)."""
    terms = (selector or {}).get("nodeSelectorTerms") or ()
    return not terms or any(_term(term, node) for term in terms)


def _term(term: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    expressions = [(item, labels) for item in term.get("matchExpressions") or ()]
    expressions += [(item, fields) for item in term.get("matchFields") or ()]
    # A term that asks for nothing selects nothing.
    return bool(expressions) and all(_matches(item, there) for item, there in expressions)


def _matches(requirement: Mapping[str, Any], there: Mapping[str, str]) -> bool:
    value, values = there.get(requirement.get("key", "")), list(requirement.get("values") or ())
    operator = requirement.get("operator")
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if operator in {"Gt", "Lt"} and value is not None and len(values) == 1:
        return _compares(operator, value, str(values[0]))
    return False


def _compares(operator: str, value: str, bound: str) -> bool:
    try:
        return int(value) > int(bound) if operator == "Gt" else int(value) < int(bound)
    except ValueError:
        return False
