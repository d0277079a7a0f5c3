"""One process in a pod's environment: what it sees, what the machine does not see, and a machine that forbids it."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serflab.rebalance import in_cluster

ACCOUNT = in_cluster.RUN / in_cluster.ACCOUNT
PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21


def without_rights():
    """Take from root what a user does not have either: the right to make mount namespaces."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)


@pytest.fixture
def authority(tmp_path):
    path = tmp_path / "ca.crt"
    path.write_text("a certificate")
    return path


def run(authority, script, wrapper=(), **how):
    command = in_cluster.command(Path(sys.executable), authority, ("/bin/sh", "-c", script))
    return subprocess.run([*wrapper, *command], capture_output=True, text=True, check=False, **how)


@pytest.mark.parametrize("how", [{}, {"preexec_fn": without_rights}], ids=["as it is", "by a user namespace"])
def test_it_sees_a_service_account_and_runs_as_the_same_user(authority, how):
    done = run(authority, f"cd {ACCOUNT} && cat ca.crt token && echo $KUBERNETES_SERVICE_HOST && id -u", **how)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"a certificatenone127.0.0.1\n{os.getuid()}\n"


def test_nobody_else_sees_it_and_all_else_stays_visible(authority):
    before = sorted(path.name for path in in_cluster.RUN.iterdir())
    done = run(authority, f"ls -A {in_cluster.RUN}/; touch {in_cluster.RUN}/of-mine")
    assert done.returncode == 0, done.stderr
    assert set(before) - {"secrets"} <= set(done.stdout.split())
    assert "secrets" in done.stdout.split()
    assert not (in_cluster.RUN / "of-mine").exists()
    assert ACCOUNT.exists() == ("secrets" in before)


def test_a_machine_that_forbids_namespaces_is_told_with_what_to_do(authority):
    limits = "for kind in user mnt; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done"
    wrapper = ("unshare", "--user", "--map-root-user", "sh", "-euc", f'{limits}; exec "$@"', "sh")
    done = run(authority, "echo never", wrapper)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no mount namespace can be made")
    assert "user.max_user_namespaces" in done.stderr


def test_a_certificate_that_is_not_there_is_named(tmp_path):
    done = run(tmp_path / "nothing.crt", "echo never")
    assert done.returncode == 1
    assert f"{tmp_path / 'nothing.crt'}: the CA certificate cannot be read" in done.stderr


def test_asking_whether_it_is_possible_changes_nothing_here(authority, tmp_path):
    mounts = Path("/proc/self/mountinfo").read_text()
    assert in_cluster.is_possible(authority) is None
    assert Path("/proc/self/mountinfo").read_text() == mounts
    refused = in_cluster.is_possible(tmp_path / "nothing.crt")
    assert "nothing.crt" in str(refused)
    assert "hint" in str(refused)


def test_usage():
    done = subprocess.run([sys.executable, "-m", "serflab.rebalance.in_cluster"], capture_output=True, check=False)
    assert done.returncode == 2
