"""The command line of K3s, read by a stand-in that knows K3s' documented flags and refuses all others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from k3s_stand_in import UsageError, parse
from serflab.lab.components import components
from serflab.lab.serf_plan import Stage, Variant


@pytest.fixture
def plan(serf_plan):
    return dataclasses.replace(
        serf_plan,
        variant=Variant.K3S,
        programs={"k3s": Path("/usr/local/bin/k3s"), "kwok": Path("/usr/local/bin/kwok")},
        names=("serf1", "clab-emulation-serf1"),
        addresses=("172.30.30.11", "10.20.0.1"),
    )


@pytest.fixture
def k3s(plan):
    return components(plan)[0]


def test_the_control_plane_is_one_program(plan):
    assert [part.name for part in components(plan)] == ["k3s", "kwok", "exporter", "replay"]


def test_k3s_takes_its_command_line(plan, k3s):
    program, command, *flags = k3s.command
    assert (program, command) == ("/usr/local/bin/k3s", "server")
    options = parse(flags)
    assert options["disable-agent"] is True
    assert set(options["disable"]) == {
        "coredns",
        "servicelb",
        "traefik",
        "local-storage",
        "metrics-server",
        "runtimes",
    }
    off = ("disable-cloud-controller", "disable-helm-controller", "disable-network-policy", "disable-kube-proxy")
    assert all(options[name] is True for name in off)
    assert (options["flannel-backend"], options["egress-selector-mode"]) == ("none", "disabled")
    assert options["node-name"] == plan.name
    assert options["tls-san"] == ["serf1", "clab-emulation-serf1", "172.30.30.11", "10.20.0.1"]
    assert (options["write-kubeconfig"], options["write-kubeconfig-mode"]) == (str(plan.kubeconfig), "600")
    assert options["https-listen-port"] == plan.ports.apiserver
    assert options["data-dir"] == str(plan.directory / "k3s")


def test_nodes_of_kwok_are_never_found_dead(k3s):
    arguments = parse(list(k3s.command[2:]))["kube-controller-manager-arg"]
    assert {"node-monitor-period=600s", "node-monitor-grace-period=3600s"} <= set(arguments)


def test_what_needs_the_api_waits_until_k3s_answers_its_administrator(plan, k3s):
    assert k3s.stage is Stage.API
    assert k3s.health == f"{plan.server}/readyz"
    assert k3s.asked_with == plan.kubeconfig
    kwok = next(part for part in components(plan) if part.name == "kwok")
    assert f"--kubeconfig={plan.kubeconfig}" in kwok.command


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("--disable-everything", "flag provided but not defined: -disable-everything"),
        ("--https-listen-port=many", "parse error"),
        ("--disable=dns", "invalid value for -disable: dns"),
        ("--node-name", "flag needs an argument"),
        ("--disable-agent=maybe", "invalid boolean value"),
        ("agent", "not a flag"),
    ],
)
def test_the_stand_in_refuses_what_k3s_refuses(k3s, wrong, said):
    with pytest.raises(UsageError, match=said):
        parse([*k3s.command[2:], wrong])
