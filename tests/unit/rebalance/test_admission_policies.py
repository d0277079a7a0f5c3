"""The admission policies name what the rest of the package names."""

from __future__ import annotations

import pytest
from cluster_stand_in import ClusterStandIn

from serflab.errors import SerflabError
from serflab.kube.client import ApiError
from serflab.rebalance import admission, names


def test_the_names_are_those_of_the_package():
    text = admission.text()
    expected = [
        f"{names.GROUP}/",
        names.DELETION_ALLOWED,
        names.EVICT_ONLY,
        names.VM_CPU_CONSUMPTION,
        names.VM_MEMORY_CONSUMPTION,
        f"'{names.DOMAIN}'",
        f"apiVersions: [{names.VERSION}]",
        f"resources: [{names.VM_PLURAL}]",
        f"kubevirt.io: {names.LAUNCHER}",
    ]
    assert [name for name in expected if name not in text.replace(f"{names.GROUP}]", f"{names.GROUP}/")] == []


def test_every_policy_has_a_binding_after_it_and_a_path():
    bodies = admission.policies()
    assert len(bodies) == 8
    for policy, binding in zip(bodies[::2], bodies[1::2], strict=True):
        assert binding["kind"] == f"{policy['kind']}Binding"
        assert binding["spec"]["policyName"] == policy["metadata"]["name"]
        assert admission.path_of(policy).rpartition("/")[2] == policy["metadata"]["name"]


class Refusing:
    """An API server that answers each creation with the next of these errors."""

    def __init__(self, *errors):
        self._errors = list(errors)

    async def create(self, _path, _body, *, params):
        assert params == {"dryRun": "All"}
        raise self._errors.pop(0)


BY_POLICY = ApiError(422, "Invalid", f"ValidatingAdmissionPolicy refuses {admission._PROBE}")
KIND = f"{names.API_VERSION}, Kind={names.VM_KIND}"


async def test_a_kind_that_what_mutates_does_not_know_yet_is_waited_for():
    unknown = ApiError(503, "ServiceUnavailable", f"Resource kind {KIND} not found. There can be a delay")
    assert not await admission.in_force(Refusing(unknown))
    assert not await admission.in_force(Refusing(BY_POLICY, unknown))
    assert await admission.in_force(Refusing(BY_POLICY, BY_POLICY))


async def test_a_server_that_is_unavailable_for_another_reason_is_told():
    with pytest.raises(ApiError, match="etcd"):
        await admission.in_force(Refusing(ApiError(503, "ServiceUnavailable", "etcd does not answer")))


@pytest.mark.parametrize("dry_run", [False, True])
async def test_without_the_definitions_of_vms_nothing_is_changed_and_it_is_told_what_to_do(dry_run):
    empty = ClusterStandIn()
    with pytest.raises(SerflabError, match="knows no virtualmachines") as told:
        await admission.install(empty, dry_run=dry_run)
    assert "serflab rebalance crd" in told.value.hint
    assert {method for method, _ in empty.calls} == {"GET"}
