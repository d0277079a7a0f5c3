"""What a serf is made of: one description of its programs for every runtime.

A serf is a control plane, KWOK and the two programs that bring a recorded workload to life. Each `Component` says what
is run and when it is ready; who runs it, a supervisor on this machine or one in a container, is the runtime's business.
KWOK's flags: https://kwok.sigs.k8s.io/docs/generated/kwok/.
"""

from __future__ import annotations

from importlib.resources import files

from serflab.lab.control_plane import upstream_control_plane
from serflab.lab.k3s import k3s
from serflab.lab.serf_plan import Component, SerfPlan, Stage, Variant


def write_files(plan: SerfPlan) -> None:
    """Write what the components read besides the certificates: KWOK's configuration."""
    plan.logs.mkdir(parents=True, exist_ok=True)
    target = plan.directory / "kwok.yaml"
    target.write_text(files("serflab.lab").joinpath("kwok.yaml").read_text(encoding="utf-8"), encoding="utf-8")


def components(plan: SerfPlan) -> tuple[Component, ...]:
    """Return the programs of a serf, in the order in which they start."""
    control_plane = (k3s(plan),) if plan.variant is Variant.K3S else upstream_control_plane(plan)
    links = (_links(plan),) if plan.links else ()
    return *links, *control_plane, _kwok(plan), _exporter(plan), _replay(plan)


def _kwok(plan: SerfPlan) -> Component:
    pki, port = plan.pki, plan.ports.kwok
    command = (
        str(plan.programs["kwok"]),
        f"--kubeconfig={plan.client_kubeconfig('kwok')}",
        f"--config={plan.directory / 'kwok.yaml'}",
        # Only nodes that ask for it: a serf may have others, such as virtual nodes.
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--cidr={plan.pod_network}",
        f"--node-ip={plan.address}",
        f"--node-port={port}",
        f"--server-address={plan.address}:{port}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        "--node-lease-duration-seconds=0",
    )
    return Component("kwok", Stage.CONTROLLERS, command, f"https://{plan.address}:{port}/healthz")


def _replay(plan: SerfPlan) -> Component:
    command = (
        *_python(plan, "replay_metrics.py"),
        f"--config={plan.config}",
        f"--kubeconfig={plan.kubeconfig}",
        f"--interval={plan.interval:g}",
        f"--phase={plan.phase}",
        "--loop",
        "--max-concurrent=3",
        "--batch-size=20",
    )
    return Component("replay", Stage.REPLAY, command, may_end=plan.contained)


def _exporter(plan: SerfPlan) -> Component:
    command = (
        *_python(plan, "expose_metrics.py"),
        f"--config={plan.config}",
        f"--kubeconfig={plan.kubeconfig}",
        f"--host={plan.listen}",
        f"--port={plan.ports.exporter}",
        "--update-interval=2",
    )
    return Component("exporter", Stage.EXPORTER, command, f"{plan.exporter}/healthz", may_end=plan.contained)


def _links(plan: SerfPlan) -> Component:
    command = str(plan.python), "-u", "-m", "serflab.lab.link_addresses"
    return Component("links", Stage.API, command, own_user=True)


def _python(plan: SerfPlan, program: str) -> tuple[str, str, str]:
    return str(plan.python), "-u", str(plan.annotations / program)
