"""A serf's certificates: who they convince, of what, and that they are issued once and as a whole."""

from __future__ import annotations

import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import NameOID
from tls import handshake

from serflab.kube.credentials import load_credentials
from serflab.lab.certificates import CLIENTS, issue_pki, kubeconfig

NAMES = ["localhost", "serf1", "kubernetes.default.svc"]
ADDRESSES = ["127.0.0.1", "10.96.0.1"]


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return issue_pki(tmp_path_factory.mktemp("serf") / "pki", NAMES, ADDRESSES)


def read(pki, name):
    return x509.load_pem_x509_certificate(pki.certificate(name).read_bytes())


@pytest.mark.parametrize("host", [*NAMES, *ADDRESSES])
def test_the_server_certificate_convinces_a_client_of_every_name_and_address(pki, host):
    assert handshake(pki, host) is None


@pytest.mark.parametrize("host", ["serf2", "127.0.0.2", "kubernetes.default.svc.example.org"])
def test_the_server_certificate_is_worth_nothing_elsewhere(pki, host):
    assert f"certificate is not valid for '{host}'" in handshake(pki, host)


def test_another_serfs_authority_convinces_nobody(pki, tmp_path):
    other = issue_pki(tmp_path / "pki", NAMES, ADDRESSES)
    assert "CERTIFICATE_VERIFY_FAILED" in handshake(pki, "localhost", trusted=other)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_of_the_serf_accepts_each_client_certificate(pki, client):
    assert handshake(pki, "localhost", client=client) is None


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_certificate_cannot_pose_as_a_server(pki, client):
    assert "unsuitable certificate purpose" in handshake(pki, "localhost", server=client)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_subject_names_user_and_group_as_kubernetes_reads_them(pki, client):
    user, group = CLIENTS[client]
    subject = read(pki, client).subject
    assert [item.value for item in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [user]
    groups = [item.value for item in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert groups == ([group] if group else [])


def test_the_scheduler_is_no_administrator_and_etcd_knows_the_api_server_alone():
    assert CLIENTS["admin"][1] == "system:masters"
    assert CLIENTS["kube-scheduler"] == ("system:kube-scheduler", "")
    assert CLIENTS["etcd-client"] == ("kube-apiserver", "")


def test_only_the_authority_may_sign_certificates(pki):
    def is_authority(name):
        return read(pki, name).extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    assert is_authority("ca")
    assert not any(is_authority(name) for name in ("server", *CLIENTS))


def test_each_key_belongs_to_its_certificate_and_the_authoritys_is_kept_nowhere(pki):
    for name in ("server", *CLIENTS):
        key = load_pem_private_key(pki.key(name).read_bytes(), None)
        assert isinstance(key.curve, ec.SECP256R1)
        assert key.public_key() == read(pki, name).public_key()
    assert not pki.key("ca").exists()


def test_service_account_tokens_are_checked_with_the_key_that_belongs_to_the_one_that_signs_them(pki):
    signs = load_pem_private_key(pki.key("service-account").read_bytes(), None)
    checks = load_pem_public_key(pki.service_account_public_key.read_bytes())
    assert signs.public_key() == checks


def test_keys_are_for_the_user_only(pki):
    keys = list(pki.directory.glob("*.key"))
    assert len(keys) == 2 + len(CLIENTS)
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
    assert stat.S_IMODE(pki.directory.stat().st_mode) == 0o700


def contents(pki):
    return {file.name: file.read_bytes() for file in pki.directory.iterdir()}


def test_a_second_call_issues_nothing_new(tmp_path):
    pki = issue_pki(tmp_path / "pki", NAMES, ADDRESSES)
    before = contents(pki)
    assert issue_pki(tmp_path / "pki", NAMES, ADDRESSES) == pki
    assert contents(pki) == before


def test_what_an_interrupted_call_left_is_issued_anew_as_a_whole(tmp_path, monkeypatch):
    directory = tmp_path / "pki"
    written = []

    def write_and_break_off(path, content):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr("serflab.lab.certificates._write", write_and_break_off)
        with pytest.raises(KeyboardInterrupt):
            issue_pki(directory, NAMES, ADDRESSES)
    half = (directory / "ca.crt").read_bytes()
    pki = issue_pki(directory, NAMES, ADDRESSES)
    assert pki.certificate("ca").read_bytes() != half
    assert handshake(pki, "localhost", client="admin") is None


@pytest.mark.parametrize("client", CLIENTS)
def test_a_kubeconfig_holds_all_that_a_client_needs(pki, tmp_path, client):
    file = tmp_path / "elsewhere" / "kubeconfig"
    file.parent.mkdir()
    file.write_text(kubeconfig(pki, client, "serf1", "https://127.0.0.1:21000"))
    credentials = load_credentials(file)
    assert credentials.server == "https://127.0.0.1:21000"
    assert handshake(pki, "127.0.0.1", context=credentials.ssl_context, demand_client=True) is None


def test_a_renewable_pki_gets_a_new_server_certificate_for_new_names_and_keeps_all_others(tmp_path):
    issue_pki(tmp_path / "pki", NAMES, ADDRESSES, renewable=True)
    others = {file: file.read_bytes() for file in (tmp_path / "pki").iterdir() if not file.name.startswith("server.")}
    pki = issue_pki(tmp_path / "pki", [*NAMES, "serf7"], ["192.0.2.7"], renewable=True)
    assert handshake(pki, "serf7") is None
    assert handshake(pki, "192.0.2.7", client="admin") is None
    assert "certificate is not valid for '127.0.0.1'" in handshake(pki, "127.0.0.1")
    assert {file: file.read_bytes() for file in others} == others


def test_the_authoritys_key_is_kept_only_where_it_is_needed_again(tmp_path):
    once = issue_pki(tmp_path / "once", NAMES, ADDRESSES)
    renewable = issue_pki(tmp_path / "renewable", NAMES, ADDRESSES, renewable=True)
    assert not once.key("ca").exists()
    assert stat.S_IMODE(renewable.key("ca").stat().st_mode) == 0o600
