"""Serfs in containers: ready, known by their names, healing, stopping, and with no more rights than they need."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import pytest
from cryptography import x509
from engine import SUPERVISORCTL, SerfContainer, docker, scratch_image, wait_for

from bare_serfs import CHECKOUT
from serflab.lab.containerlab_serf import ContainerSerf
from serflab.lab.engine import Container, Engine
from serflab.lab.plan import Workload
from serflab.lab.tools.toolbox import Toolbox

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "exporter", "replay")
CONFIG = "cd /opt/annotations && python3 create_resources.py --config emulation_config.json"


def container_of(serf):
    """Return the container as the engine's client has it."""
    return Container(serf.id, serf.name, serf.name, "", "", "running", 0, "", "", "", {})


def pods(serf, *arguments):
    return serf.exec("k3s", "kubectl", "get", "pods", "--all-namespaces", "--no-headers", *arguments).splitlines()


def certificate(serf):
    return x509.load_pem_x509_certificate(serf.exec("cat", "/var/lib/serflab/pki/server.crt").encode())


def alternatives(serf):
    names = certificate(serf).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


def asked_from(asker, serf, host, path="/version"):
    """Ask a serf's API server from another serf's container, by a name of its, trusting its authority only."""
    authority = serf.exec("cat", "/var/lib/serflab/pki/ca.crt")
    script = "cat > /tmp/ca.crt && curl --silent --show-error --cacert /tmp/ca.crt " + f"https://{host}:6443{path}"
    return docker("exec", "--interactive", asker.id, "sh", "-c", script, input=authority, check=False)


@pytest.mark.parametrize("name", ["serf1", "serf2"])
def test_a_serf_is_ready_and_its_engine_learns_so(serfs, name):
    serf = serfs[name]
    wait_for(lambda: serf.inspect("{{.State.Health.Status}}") == "healthy", "the engine's health check")
    assert len(pods(serf)) == 80
    assert all(" Running " in line for line in pods(serf))


def test_what_the_container_prints_tells_how_it_came_up(serf1):
    assert "serf1: upstream control plane" in serf1.logs()
    assert re.search(r"serf1: ready after \d+\.\d s", serf1.logs())


def test_the_first_process_is_the_supervisor_and_reaps_orphans(serf1):
    assert "supervisor.supervisord" in serf1.exec("cat", "/proc/1/cmdline").replace("\0", " ")
    orphan = serf1.exec("sh", "-c", "sleep 0.5 >/dev/null 2>&1 & echo $!").strip()
    assert serf1.exec("ps", "-o", "ppid=", "-p", orphan, check=False).strip() in {"1", ""}
    # A process that ended and was not reaped would still be listed.
    wait_for(lambda: not serf1.exec("ps", "-o", "stat=", "-p", orphan, check=False).strip(), "the orphan is gone")


def test_only_api_server_and_exporter_are_heard_from_outside(serf1):
    lines = [line.split()[3] for line in serf1.exec("ss", "-Hltn").splitlines()]
    # Docker's own resolver listens on 127.0.0.11.
    outside = {address for address in lines if not address.startswith(("127.", "[::1]"))}
    assert {address.rpartition(":")[2] for address in outside} == {"6443", "9090"}


@pytest.mark.parametrize("host", ["serf1", "ADDRESS"])
def test_the_api_server_is_known_by_its_names_and_addresses(serf1, serf2, host):
    address = serf1.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
    done = asked_from(serf2, serf1, host.replace("ADDRESS", address))
    assert json.loads(done.stdout)["gitVersion"].startswith("v1."), done.stderr
    assert {"serf1", "clab-emulation-serf1", "localhost", "127.0.0.1", address} <= alternatives(serf1)


def test_a_name_that_is_not_the_serfs_is_refused(serf1, serf2):
    alias = serf1.inspect("{{slice .Id 0 12}}")
    done = asked_from(serf2, serf1, alias)
    assert "subject name" in done.stderr


def test_each_serf_has_an_authority_of_its_own(serf1, serf2):
    authorities = [serf.exec("cat", "/var/lib/serflab/pki/ca.crt") for serf in (serf1, serf2)]
    assert authorities[0] != authorities[1]


def test_a_serf_that_starts_again_has_a_certificate_for_its_new_addresses_and_its_old_data(serf1, network):
    before = {file: serf1.exec("cat", f"/var/lib/serflab/{file}") for file in ("pki/ca.crt", "kubeconfig")}
    serial, uids = certificate(serf1).serial_number, pods(serf1, "--output=jsonpath={.items[*].metadata.uid}")
    other = f"{network}-other"
    docker("network", "create", "--internal", other)
    try:
        docker("network", "connect", other, serf1.id)
        docker("restart", "--time=5", serf1.id)
        serf1.await_ready()
        template = f'{{{{with index .NetworkSettings.Networks "{other}"}}}}{{{{.IPAddress}}}}{{{{end}}}}'
        assert serf1.inspect(template) in alternatives(serf1)
    finally:
        docker("network", "disconnect", other, serf1.id)
        docker("network", "rm", other)
    assert certificate(serf1).serial_number != serial
    assert {file: serf1.exec("cat", f"/var/lib/serflab/{file}") for file in before} == before
    assert pods(serf1, "--output=jsonpath={.items[*].metadata.uid}") == uids


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_is_killed_comes_back(serf1, program):
    before = serf1.pid(program)
    serf1.exec("kill", "-9", str(before))
    wait_for(lambda: serf1.pid(program) not in {0, before}, f"{program} runs again")
    serf1.await_ready()


def test_the_check_says_which_program_is_not_there(serf1):
    serf1.exec(*SUPERVISORCTL, "stop", "serf1:kwok")
    try:
        done = docker("exec", serf1.id, "serf-health", check=False)
        assert (done.returncode, done.stdout.strip()) == (1, "kwok is STOPPED")
    finally:
        serf1.exec(*SUPERVISORCTL, "start", "serf1:kwok")
    serf1.await_ready()


def stop_the_emulation(serf):
    """Stop replay and exporter as the seeds do; both words are in the command line of the shell, too."""
    serf.exec("bash", "-c", "pkill -f replay_metrics.py && pkill -f expose_metrics.py")


def test_the_seeds_commands_work_as_written(serf1):
    assert "emulation-node-1" in serf1.exec("k3s", "kubectl", "get", "nodes")
    assert "Running" in serf1.exec("k3s", "kubectl", "get", "pods", "--all-namespaces")
    assert "expose_metrics" in serf1.exec("ps", "aux")
    assert "emulation_pod_cpu_millicores" in serf1.exec("curl", "-s", "http://localhost:9090/metrics")
    serf1.exec("bash", "-c", CONFIG)
    stop_the_emulation(serf1)
    wait_for(lambda: not serf1.pid("replay") and not serf1.pid("exporter"), "they end, and stay away")
    serf1.exec("bash", "-c", f"{CONFIG} --delete")
    assert pods(serf1) == []
    serf1.exec("bash", "-c", CONFIG)
    replay = "replay_metrics.py --config emulation_config.json --interval 5 --loop --max-concurrent 3 --batch-size 20"
    expose = "expose_metrics.py --config emulation_config.json --port 9090 --update-interval 2"
    for command in (replay, expose):
        docker("exec", "--detach", serf1.id, "bash", "-c", f"cd /opt/annotations && python3 {command}")
    metrics = ("curl", "-s", "http://localhost:9090/metrics")
    wait_for(lambda: "serflab_replay_tick" in serf1.exec(*metrics, check=False), "both work when started by hand")
    assert len(pods(serf1)) == 80
    stop_the_emulation(serf1)
    serf1.exec("python3", "-m", "serflab.lab.container", "start")
    serf1.await_ready()


def test_nothing_in_a_serf_runs_as_root(serf1, serf2):
    assert set(serf1.exec("ps", "-eo", "uid=").split()) == {"10001"}
    assert set(serf2.exec("ps", "-eo", "uid=").split()) == {"4711"}


def test_a_serf_lives_on_a_read_only_file_system_without_any_capability(serf2):
    assert serf2.status("touch", "/opt/annotations/new") != 0
    status = serf2.exec("cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def test_keys_and_kubeconfigs_are_for_the_serf_alone(serf1):
    found = serf1.exec(
        "find", "/var/lib/serflab", "(", "-name", "*.key", "-o", "-name", "*kubeconfig", ")", "-perm", "/077"
    )
    assert found == ""


@pytest.mark.usefixtures("serf2")
def test_prometheus_scrapes_both_over_their_network(serf1, images, network, tmp_path):
    image = scratch_image(
        images.keep("serflab-test/prometheus:pinned"),
        {"/bin/prometheus": Toolbox(CHECKOUT).path("prometheus")},
        ["/bin/prometheus"],
    )
    scrape = {
        "job_name": "kwok-emulation",
        "scrape_interval": "1s",
        "static_configs": [{"targets": ["serf1:9090", "serf2:9090"]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}))
    tmp_path.chmod(0o755)
    options = (
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/data",
        "--web.listen-address=:9091",
    )
    done = docker(
        *("run", "--detach", f"--network={network}", "--network-alias=prometheus", "--tmpfs=/data"),
        *(f"--volume={tmp_path}:/etc/prometheus:ro", image, *options),
    )
    try:
        query = "http://prometheus:9091/api/v1/query?query=emulation_node_pod_count"

        def counts():
            answer = serf1.exec("curl", "--fail", "--silent", query, check=False)
            result = json.loads(answer)["data"]["result"] if answer else []
            return {item["metric"]["instance"]: item["value"][1] for item in result}

        wait_for(lambda: counts() == {"serf1:9090": "80", "serf2:9090": "80"}, "both are scraped")
    finally:
        docker("rm", "--force", done.stdout.strip())


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("SERFLAB_PHASE=soon", "SERFLAB_PHASE: is 'soon'"),
        ("SERFLAB_CONFIG=annotations/none.json", "/opt/annotations/none.json"),
        ("SERFLAB_VARIANT=k4s", "expected upstream or k3s"),
    ],
)
def test_a_serf_that_is_told_nonsense_says_so_and_ends(images, variable, said):
    done = docker("run", "--rm", "--network=none", f"--env={variable}", images.upstream, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_serf_ends_by_itself_within_five_seconds_of_being_asked(serf1):
    docker("stop", "--time=5", serf1.id)
    # 137 would be the engine's SIGKILL after these five seconds.
    assert serf1.inspect("{{.State.ExitCode}}") == "0"
    docker("start", serf1.id)
    serf1.await_ready()
    assert len(pods(serf1)) == 80


def test_a_command_that_is_followed_in_a_serf_ends_with_who_listens(serf1):
    engine = Engine.connect()
    container = container_of(serf1)
    followed = engine.follow(container, ["tail", "-n1", "--follow=name", "/var/lib/serflab/logs/etcd.log"])
    wait_for(lambda: next(followed), "something is told")
    assert serf1.status("pgrep", "tail") == 0
    followed.close()
    wait_for(lambda: serf1.status("pgrep", "tail") == 1, "tail has ended")


def test_a_serf_takes_up_a_config_that_has_changed(serf1, tmp_path):
    workload = Workload(tmp_path, 0, 5.0)
    config = PurePosixPath("/opt/annotations/emulation_config.json")
    serf = ContainerSerf(container_of(serf1), workload, tmp_path, Engine.connect(), config)
    assert serf.plays_its_config()
    before = serf1.pid("replay")
    docker("exec", "--user=0", serf1.id, "sh", "-c", f"echo >> {config}")
    assert not serf.plays_its_config()
    serf.take_up_config()
    wait_for(serf.plays_its_config, "it is taken up")
    wait_for(lambda: serf1.pid("replay") not in {0, before}, "it is played")
    serf1.await_ready()


def test_a_serf_with_a_config_that_is_refused_says_so_and_is_not_healthy(images, network, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "config.json").write_text('{"pods": 7}')
    serf = SerfContainer.run(
        "serf9", images.upstream, network, f"--volume={tmp_path}:/opt/mine:ro", "--env=SERFLAB_CONFIG=mine/config.json"
    )
    try:
        wait_for(lambda: "$.pods" in serf.logs(), "the finding is told")
        wait_for(lambda: "replay is STOPPED" in serf.exec("serf-health", check=False), "the check tells")
        # Nothing tries again: what is wrong with it is told once.
        assert "EXITED" in serf.exec(*SUPERVISORCTL, "status", "serf9:start", check=False)
        assert serf.logs().count("$.pods") == 1
    finally:
        serf.remove()
