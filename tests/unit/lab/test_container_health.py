"""The health check of a serf's container, on a real supervisor with small programs and a small HTTPS server."""

from __future__ import annotations

import http.server
import json
import ssl
import sys
import threading

import pytest
from waiting import until

from serflab.lab.certificates import issue_pki, kubeconfig
from serflab.lab.container_health import CHECKS, problems
from serflab.lab.processes import end, lab_processes
from serflab.lab.supervisor import Program, Supervisor


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        who = self.connection.getpeercert() or {}
        self.send_response(200 if self.path == "/open" or who else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def pki(tmp_path):
    return issue_pki(tmp_path / "pki", ["localhost"], ["127.0.0.1"])


@pytest.fixture
def server(pki):
    """An HTTPS server that answers /open to all and the rest to those with a certificate of the serf."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate("server"), pki.key("server"))
    context.load_verify_locations(pki.certificate("ca"))
    context.verify_mode = ssl.CERT_OPTIONAL
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


@pytest.fixture
def check(tmp_path, pki):
    """Return what the check finds, with one program `api` whose health is the URL given."""
    data = tmp_path / "data"
    data.mkdir()
    supervisor = Supervisor(data)
    program = Program("serf1", "api", (sys.executable, "-c", "import time; time.sleep(1000)"), data / "log", data)
    supervisor.configure([program])
    config = tmp_path / "kubeconfig"

    def found(health, *, asked_with=False, start=True):
        if start:
            supervisor.start("serf1:api")
            until(lambda: supervisor.state("serf1:api").state == "RUNNING")
        kube = str(config) if asked_with else ""
        own = {"health": health, "authority": str(pki.certificate("ca")), "kubeconfig": kube}
        (data / CHECKS).write_text(json.dumps({"supervisor": str(supervisor.socket), "programs": {"api": own}}))
        return list(problems(data))

    yield found
    supervisor.shut_down()
    end(lab_processes(data), patience=1)


def test_a_program_that_runs_and_answers_is_no_problem(check, server):
    assert check(f"{server}/open") == []


def test_a_program_without_a_health_url_only_has_to_run(check):
    assert check("", start=False) == ["api is STOPPED"]
    assert check("") == []


def test_a_program_that_runs_but_does_not_answer_is_told(check, server):
    assert check(f"{server}/readyz") == ["api is not ready"]
    assert check("https://127.0.0.1:1/readyz") == ["api is not ready"]


def test_an_answer_from_a_stranger_is_none(check, server, tmp_path, pki):
    other = issue_pki(tmp_path / "other", ["localhost"], ["127.0.0.1"])
    pki.certificate("ca").write_bytes(other.certificate("ca").read_bytes())
    assert check(f"{server}/open") == ["api is not ready"]


def test_who_refuses_strangers_is_asked_with_the_kubeconfig_once_it_is_there(check, server, tmp_path, pki):
    assert check(f"{server}/readyz", asked_with=True) == ["api is not ready"]
    (tmp_path / "kubeconfig").write_text(kubeconfig(pki, "admin", "serf1", server))
    assert check(f"{server}/readyz", asked_with=True) == []


def test_without_a_supervisor_nothing_is_ready(tmp_path):
    (found,) = problems(tmp_path)
    assert found.startswith("the supervisor does not answer")
