"""The admission policies name what the rest of the package names."""

from __future__ import annotations

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
