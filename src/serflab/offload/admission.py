"""What becomes of pods that people make in an offloaded namespace: a MutatingAdmissionPolicy in the consumer.

Liqo does it by a webhook; a policy needs no program that has to answer. The namespace says by labels and an
annotation what is wanted: strategy `LocalAndRemote` gives pods the toleration of the virtual nodes, `Remote` also binds
them to the selected ones, `Local` leaves them alone.
https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from serflab.emulation.names import MANAGED_BY, MANAGER, NAMESPACES_PATH
from serflab.kube.client import ApiError
from serflab.offload.faults import reached
from serflab.offload.names import (
    NOT_ALLOWED,
    REMOTE_CLUSTER_LABEL,
    SCHEDULING,
    SELECTED,
    STRATEGY,
    TYPE_LABEL,
    VIRTUAL_NODE_TYPE,
)
from serflab.offload.requests import get_or_none
from serflab.offload.writes import apply, delete, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serflab.kube.client import ApiClient
    from serflab.offload.cluster import Cluster
    from serflab.offload.fleet import Fleet

_API: Final = "admissionregistration.k8s.io/v1"
POLICIES: Final = f"/apis/{_API}/mutatingadmissionpolicies"
BINDINGS: Final = f"/apis/{_API}/mutatingadmissionpolicybindings"
POLICY: Final = "pod-offloading.serflab.io"
UNAVAILABLE: Final = (
    "this cluster has no MutatingAdmissionPolicy (admissionregistration.k8s.io/v1): "
    "pods need the toleration and the node affinity in their own spec"
)
NOT_IN_FORCE: Final = "new pods are not yet given the toleration: the API server is taking up the policy"


async def keep(fleet: Fleet, consumer: str, offloading: dict[str, Any], providers: Sequence[str]) -> str:
    """Let the cluster do what a NamespaceOffloading says with new pods; return what is in the way, if anything.

    `providers` are those that are selected. An API server takes up a policy about a second after it was made: until
    then it is `NOT_IN_FORCE`.
    """
    strategy = _strategy(offloading)
    if strategy == "Local":
        await leave(fleet, consumer, offloading)
        return ""
    client = fleet.client(consumer)
    try:
        reached("namespace.policy")
        await apply(client, f"{POLICIES}/{POLICY}", _API, "MutatingAdmissionPolicy", {"spec": policy()})
        await apply(client, f"{BINDINGS}/{POLICY}", _API, "MutatingAdmissionPolicyBinding", {"spec": binding()})
    except ApiError as error:
        if error.status != 404:
            raise
        return UNAVAILABLE
    # Without a selector any virtual node will do, and new ones need no change here.
    selects = strategy == "Remote" or bool((offloading["spec"].get("clusterSelector") or {}).get("nodeSelectorTerms"))
    wanted = {
        "labels": {SCHEDULING: "true", STRATEGY: strategy},
        "annotations": {SELECTED: ",".join(providers) if selects else None},
    }
    found = await get_or_none(client, _path(offloading))
    if found is None:
        return ""
    changed = not _has(found["metadata"], wanted)
    if changed:
        reached("namespace.labels")
        await client.patch(_path(offloading), {"metadata": wanted})
    elif (offloading.get("status") or {}).get("offloadingPhase") == "Ready":
        return ""
    return "" if await _in_force(client, _path(offloading), providers if selects else ()) else NOT_IN_FORCE


async def _in_force(client: ApiClient, namespace: str, providers: Sequence[str]) -> bool:
    """Whether a pod that is made in the namespace of that path now would be changed; nothing is made."""
    container = {"name": "probe", "image": "probe"}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "serflab-probe-"},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }
    try:
        made = await client.create(f"{namespace}/pods", body, params={"dryRun": "All"})
    except ApiError as error:
        if not 400 <= error.status < 500:
            raise
        # A new namespace gets its service account a moment later. What else refuses a pod would do so for ever.
        return "serviceaccount" not in error.text
    tolerated = any(item.get("key") == NOT_ALLOWED for item in made["spec"].get("tolerations") or ())
    return tolerated and (not providers or ",".join(providers) in _selected(made["spec"]))


def _selected(spec: dict[str, Any]) -> set[str]:
    """Return the clusters, with commas between them, of each term of the node affinity of a pod."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()
    return {
        ",".join(item["values"])
        for term in terms
        for item in term.get("matchExpressions") or ()
        if item["key"] == REMOTE_CLUSTER_LABEL
    }


async def leave(fleet: Fleet, consumer: str, offloading: dict[str, Any]) -> None:
    """Leave the pods of a namespace alone from now on; the policy goes with the last namespace that has it."""
    client, path = fleet.client(consumer), _path(offloading)
    found = await get_or_none(client, path)
    if found is None or SCHEDULING not in (found["metadata"].get("labels") or {}):
        return
    cluster, me = fleet.cluster(consumer), offloading["metadata"]["namespace"]
    if not any(item["metadata"]["namespace"] != me and _strategy(item) != "Local" for item in _offloadings(cluster)):
        reached("namespace.remove-policy")
        for policy_path in (f"{BINDINGS}/{POLICY}", f"{POLICIES}/{POLICY}"):
            await delete(client, policy_path)
    reached("namespace.remove-labels")
    none = {"labels": {SCHEDULING: None, STRATEGY: None}, "annotations": {SELECTED: None}}
    await client.patch(path, {"metadata": none})


def _strategy(offloading: dict[str, Any]) -> str:
    return str((offloading.get("spec") or {}).get("podOffloadingStrategy") or "LocalAndRemote")


def _offloadings(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.offloadings.objects.values()) if cluster.offloadings else []


def _path(offloading: dict[str, Any]) -> str:
    return f"{NAMESPACES_PATH}/{offloading['metadata']['namespace']}"


def _has(metadata: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(holds(metadata.get(part) or {}, values) for part, values in wanted.items())


# --- the policy ---


def binding() -> dict[str, Any]:
    """Return the spec of the binding: which namespaces the policy is for."""
    return {"policyName": POLICY, "matchResources": {"namespaceSelector": {"matchLabels": {SCHEDULING: "true"}}}}


def policy() -> dict[str, Any]:
    """Return the spec of the policy; each mutation is a list of JSON patches, which may be empty."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ours = f"has(object.metadata.labels) && object.metadata.labels[?'{MANAGED_BY}'].orValue('') == '{MANAGER}'"
    return {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "not-of-serflab", "expression": f"!({ours})"}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "variables": [{"name": name, "expression": " ".join(text.split())} for name, text in _VARIABLES.items()],
        "mutations": [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": " ".join(text.split())}}
            for text in (_TOLERATION, _AFFINITY)
        ],
    }


_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_VARIABLES: Final = {
    "selects": f"""
        has(namespaceObject.metadata.annotations) && '{SELECTED}' in namespaceObject.metadata.annotations""",
    # What each term has to hold besides: one of the selected clusters, or, unless all has to go, no virtual node.
    "wanted": f"""
        [[{{'key': dyn('{REMOTE_CLUSTER_LABEL}'), 'operator': dyn('In'),
            'values': dyn(namespaceObject.metadata.annotations['{SELECTED}'].split(','))}}]]
        + (namespaceObject.metadata.labels['{STRATEGY}'] == 'Remote' ? [] :
        [[{{'key': dyn('{TYPE_LABEL}'), 'operator': dyn('NotIn'), 'values': dyn(['{VIRTUAL_NODE_TYPE}'])}}]])""",
    "affinity": "has(object.spec.affinity)",
    "nodeAffinity": "has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity)",
    "own": f"""
        has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity)
        && has(object.spec.affinity.nodeAffinity.{_REQUIRED})
        ? object.spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms : []""",
}
_TOLERATION: Final = f"""
    has(object.spec.tolerations) && object.spec.tolerations.exists(t, has(t.key) && t.key == '{NOT_ALLOWED}') ? [] :
    (has(object.spec.tolerations) ? [] : [JSONPatch{{op: 'add', path: '/spec/tolerations', value: []}}])
    + [JSONPatch{{op: 'add', path: '/spec/tolerations/-', value:
        Object.spec.tolerations{{key: '{NOT_ALLOWED}', operator: 'Exists', effect: 'NoExecute'}}}}]"""
# The terms of a pod's own affinity are kept: each is combined with each that is wanted.
_TERMS: Final = """
    variables.own.size() == 0 ? variables.wanted.map(w, {'matchExpressions': dyn(w)}) :
    variables.own.map(t, TERM(0)) + (variables.wanted.size() == 1 ? [] : variables.own.map(t, TERM(1)))"""
_TERM: Final = """
    {'matchExpressions': dyn((has(t.matchExpressions) ? t.matchExpressions.map(e, dyn(e)) : [])
        + variables.wanted[INDEX].map(e, dyn(e))),
     'matchFields': dyn(has(t.matchFields) ? t.matchFields.map(e, dyn(e)) : [])}"""


def _terms() -> str:
    return _TERMS.replace("TERM(0)", _TERM.replace("INDEX", "0")).replace("TERM(1)", _TERM.replace("INDEX", "1"))


_AFFINITY: Final = f"""
    !variables.selects ? [] :
    (variables.affinity ? [] : [JSONPatch{{op: 'add', path: '/spec/affinity', value: Object.spec.affinity{{}}}}])
    + (variables.nodeAffinity ? [] : [JSONPatch{{op: 'add', path: '/spec/affinity/nodeAffinity',
        value: Object.spec.affinity.nodeAffinity{{}}}}])
    + [JSONPatch{{op: 'add', path: '/spec/affinity/nodeAffinity/{_REQUIRED}', value:
        {{'nodeSelectorTerms': dyn({_terms()})}}}}]"""
