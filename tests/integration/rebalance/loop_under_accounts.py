"""The programs of the loop as processes, each with nothing but a token of its account in k8s/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from noting_proxy import NotingProxy, Right
from rebalance_program import RebalanceProgram
from waiting_for import eventually

from bare_serfs import CHECKOUT
from rebalance_manifests import FOLDER, IN_ORDER, RIGHTS, arguments, bodies, objects
from serflab.lab.loopback import session
from serflab.lab.tools.toolbox import Toolbox
from serflab.rebalance import in_cluster
from serflab.rebalance.exporter_http import TOKEN_ENV

if TYPE_CHECKING:
    from bare_serfs import BareSerf

# Names of services in a cluster, and where the same is here.
_SERVICES = ("metrics-exporter.monitoring.svc:8000", "descheduler.kube-descheduler.svc:10258", "localhost:9090")
_EXPORTER_HOST, _TOKEN = "127.0.0.2", "as-in-the-secret"


class LoopUnderAccounts:
    """Starts programs with the arguments of the manifests; on ports from `port` on."""

    def __init__(self, serf: BareSerf, directory: Path, port: int) -> None:
        self.serf, self.directory = serf, directory
        self.exporter, self.webhook, self.prometheus, self.descheduler = range(port, port + 4)
        self.proxies: dict[str, NotingProxy] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    def prepare(self) -> None:
        """Make everything of the manifests but what would be pods."""
        for name in ("namespaces.yaml", "virtualmachine-crd.yaml"):
            self.serf.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(FOLDER / name))
        self.serf.kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", "-f", str(FOLDER / "virtualmachine-crd.yaml")
        )
        self.serf.kubectl("apply", "-f", str(FOLDER / "admission-policies.yaml"))
        rights = [body for name in IN_ORDER for body in bodies(name) if body["kind"] in RIGHTS]
        self.serf.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))

    def remove(self) -> None:
        """Take away what `prepare` and the programs have made, the definitions excepted."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(30)
        self._stack.close()
        self.serf.kubectl("delete", "validatingwebhookconfiguration", "--all", "--wait=false")
        self.serf.kubectl("delete", "--ignore-not-found", "-f", str(FOLDER / "admission-policies.yaml"))
        rights = [body for name in IN_ORDER for body in bodies(name) if body["kind"] in RIGHTS]
        self.serf.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=yaml.safe_dump_all(rights))
        self.serf.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", str(FOLDER / "namespaces.yaml"))

    # --- accounts ---

    def kubeconfig(self, account: str) -> Path:
        """Return a kubeconfig that has a token of the account, and leads through the account's proxy."""
        namespace = objects("ServiceAccount")[account]["metadata"]["namespace"]
        token = self.serf.kubectl("-n", namespace, "create", "token", account, "--duration=1h").strip()
        proxy = self.proxies.get(account)
        if proxy is None:
            proxy = self.proxies[account] = self._stack.enter_context(
                NotingProxy(self.serf.server, self.serf.ca, self.directory / f"{account}.pki")
            )
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": proxy.url, "certificate-authority": str(proxy.ca)}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        path = self.directory / f"{account}.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def granted(self, account: str) -> set[Right]:
        """Return the rights that the manifests give to an account."""
        rights = set()
        for kind, roles in (("RoleBinding", "Role"), ("ClusterRoleBinding", "ClusterRole")):
            for body in objects(kind).values():
                if any(subject["name"] == account for subject in body["subjects"]):
                    namespace = body["metadata"].get("namespace", "")
                    for rule in objects(roles)[body["roleRef"]["name"]]["rules"]:
                        rights |= {
                            Right(namespace, verb, group, resource)
                            for verb in rule["verbs"]
                            for group in rule["apiGroups"]
                            for resource in rule["resources"]
                        }
        return rights

    # --- programs ---

    def log(self, name: str) -> Path:
        """Return where a program's log is."""
        return self.directory / f"{name}.log"

    def start(self, name: str) -> None:
        """Start a program and wait until it answers, if it listens."""
        start = {"prometheus": self._prometheus, "descheduler": self._descheduler}.get(name)
        if start:
            start()
            return
        here = {
            # Of this machine, and no less foreign to the exporter than the address of a pod.
            "metrics-exporter": (f"--host={_EXPORTER_HOST}", f"--port={self.exporter}"),
            "eviction-webhook": (
                "--host=127.0.0.1",
                f"--port={self.webhook}",
                f"--url=https://127.0.0.1:{self.webhook}",
                f"--certificates={self.directory / 'certificates'}",
            ),
            # Waits are shorter, so that the test is.
            "vm-controller": ("--time-scale=20",),
        }[name]
        given = [word for word in arguments(name) if not word.startswith("--service=")]
        program = RebalanceProgram(
            self.log(name), *given, *here, f"--kubeconfig={self.kubeconfig(name)}", environment={TOKEN_ENV: _TOKEN}
        )
        self.processes[name] = program.process

    def end(self, name: str) -> int:
        """End a program and return its exit status."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(30)

    def _prometheus(self) -> None:
        """Start it with the files of its manifests: other places, and a twelfth of the times."""
        maps = objects("ConfigMap")
        config = maps["prometheus-config"]["data"]["prometheus.yml"]
        here = (f"{_EXPORTER_HOST}:{self.exporter}", f"127.0.0.1:{self.descheduler}", f"127.0.0.1:{self.prometheus}")
        for service, address in zip(_SERVICES, here, strict=True):
            assert service in config
            config = config.replace(service, address)
        config = config.replace("5s", "1s").replace("4s", "1s").replace("/etc/prometheus/rules", str(self.directory))
        (self.directory / "prometheus.yml").write_text(config, encoding="utf-8")
        (rules,) = maps["prometheus-rules"]["data"].values()
        assert "[1m]" in rules
        (self.directory / "descheduler.yml").write_text(rules.replace("[1m]", "[5s]"), encoding="utf-8")
        # Only rules are to match `*.yml` besides.
        (self.directory / "prometheus.yml").rename(self.directory / "prometheus.config")
        command = [
            Toolbox(CHECKOUT).path("prometheus"),
            f"--config.file={self.directory / 'prometheus.config'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus}",
        ]
        self._run("prometheus", command)

    def _descheduler(self) -> None:
        policy = objects("ConfigMap")["descheduler-policy"]["data"]["policy.yaml"]
        assert "prometheus.monitoring.svc:9090" in policy
        file = self.directory / "policy.yaml"
        file.write_text(policy.replace("prometheus.monitoring.svc:9090", f"127.0.0.1:{self.prometheus}"))
        here = (
            f"--client-connection-kubeconfig={self.kubeconfig('descheduler')}",
            f"--policy-config-file={file}",
            "--descheduling-interval=10s",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.descheduler}",
        )
        program = (str(Toolbox(CHECKOUT).path("descheduler")), *arguments("descheduler"), *here)
        self._run("descheduler", list(in_cluster.command(Path(sys.executable), self.serf.ca, program)))

    def _run(self, name: str, command: list[str | Path]) -> None:
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))

    # --- asking ---

    def told(self, name: str) -> str:
        """Return what a program has said."""
        return self.log(name).read_text(encoding="utf-8")

    def metrics(self) -> str:
        """Return what the exporter publishes, empty while it does not answer."""
        try:
            return session().get(f"http://{_EXPORTER_HOST}:{self.exporter}/metrics", timeout=5).text
        except OSError:
            return ""

    def ask_exporter(self, path: str, body: object) -> dict:
        """Post something to the exporter and return its answer."""
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        url = f"http://{_EXPORTER_HOST}:{self.exporter}{path}"
        answer = session().post(url, json=body, headers=headers, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def query(self, text: str) -> dict[str, float]:
        """Return the samples of a query to Prometheus by their instance."""
        try:
            url = f"http://127.0.0.1:{self.prometheus}/api/v1/query"
            found = session().get(url, params={"query": text}, timeout=5).json()["data"]["result"]
        except (OSError, ValueError, KeyError):
            return {}
        return {sample["metric"].get("instance", ""): float(sample["value"][1]) for sample in found}

    def get(self, kind: str) -> list[dict]:
        """Return the objects of a kind in the namespace of the VMs."""
        return json.loads(self.serf.kubectl("-n", "default", "get", kind, "-o", "json"))["items"]

    def nodes_of_vms(self) -> dict[str, str]:
        """Return the node of each VM that runs."""
        statuses = {vm["metadata"]["name"]: vm.get("status") or {} for vm in self.get("vm")}
        return {name: status["nodeName"] for name, status in statuses.items() if status.get("phase") == "Running"}

    def wait_moved(self, name: str, source: str) -> str:
        """Wait until a VM runs elsewhere, and return where."""
        return eventually(lambda: (self.nodes_of_vms().get(name, source) != source) and self.nodes_of_vms()[name], 60)
