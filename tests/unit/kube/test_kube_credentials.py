"""Credentials: found in the documented order, read without the kubernetes package, clear when they cannot be used."""

import base64
import datetime as dt
import os
import ssl
import subprocess
import sys

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serflab.errors import InputError, SerflabError
from serflab.kube.credentials import in_cluster_credentials, load_credentials


@pytest.fixture(scope="module")
def pem():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_text


def kubeconfig(cluster, user, **top):
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        **top,
    }


@pytest.fixture
def write(tmp_path):
    def write(content, name="config"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return file

    return write


def test_certificates_within_the_file(write, pem):
    certificate, key = (base64.b64encode(part).decode() for part in pem)
    cluster = {"server": "https://127.0.0.1:6443/", "certificate-authority-data": certificate}
    file = write(kubeconfig(cluster, {"client-certificate-data": certificate, "client-key-data": key}))
    credentials = load_credentials(file)
    assert credentials.server == "https://127.0.0.1:6443"
    assert credentials.ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert len(credentials.ssl_context.get_ca_certs()) == 1
    assert credentials.current_headers() == {}


def test_certificates_in_files_beside_it(write, pem, tmp_path):
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").write_bytes(pem[0])
    (tmp_path / "pki" / "key").write_bytes(pem[1])
    cluster = {"server": "https://k", "certificate-authority": "pki/ca.crt", "tls-server-name": "api"}
    file = write(kubeconfig(cluster, {"client-certificate": "pki/ca.crt", "client-key": "pki/key"}))
    credentials = load_credentials(file)
    assert len(credentials.ssl_context.get_ca_certs()) == 1
    assert credentials.server_hostname == "api"


def test_tokens(write, tmp_path):
    cluster = {"server": "https://k", "insecure-skip-tls-verify": True}
    credentials = load_credentials(write(kubeconfig(cluster, {"token": "abc"})))
    assert credentials.headers == {"Authorization": "Bearer abc"}
    assert credentials.ssl_context.verify_mode is ssl.CERT_NONE

    token = tmp_path / "token"
    token.write_text("one\n")
    credentials = load_credentials(write(kubeconfig(cluster, {"tokenFile": "token"})))
    assert credentials.current_headers() == {"Authorization": "Bearer one"}
    token.write_text("two\n")
    os.utime(token, ns=(1, 1))
    assert credentials.current_headers() == {"Authorization": "Bearer two"}


def test_the_order_in_which_they_are_looked_for(write, tmp_path):
    def named(name, file):
        return write(kubeconfig({"server": f"http://{name}"}, {}), file)

    flag, environment, home = named("flag", "a"), named("environment", "b"), tmp_path / "home"
    named("home", "home/.kube/config")
    env = {"KUBECONFIG": f"{tmp_path}/missing:{environment}", "HOME": str(home)}
    assert load_credentials(flag, environ=env).server == "http://flag"
    assert load_credentials(environ=env).server == "http://environment"
    assert load_credentials(environ={"HOME": str(home)}).server == "http://home"
    with pytest.raises(SerflabError, match="there is no kubeconfig: none was given") as caught:
        load_credentials(environ={"HOME": str(tmp_path)})
    assert "--kubeconfig" in caught.value.hint


def test_several_files_are_merged_the_first_wins(write):
    one = write({"contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}], "current-context": "c"}, "one")
    two = write(kubeconfig({"server": "http://two"}, {}, **{"current-context": "other"}), "two")
    assert load_credentials(environ={"KUBECONFIG": f"{one}:{two}"}).server == "http://two"


def test_the_account_of_the_pod(tmp_path, pem):
    (tmp_path / "token").write_text("abc")
    (tmp_path / "ca.crt").write_bytes(pem[0])
    env = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    credentials = in_cluster_credentials(env, tmp_path)
    assert credentials.server == "https://[fd00::1]:443"
    assert credentials.current_headers() == {"Authorization": "Bearer abc"}
    with pytest.raises(SerflabError, match="without a service account"):
        in_cluster_credentials(env, tmp_path / "none")


BROKEN = {
    "missing file": (None, "FILE: the kubeconfig does not exist"),
    "not YAML": ("{", "FILE: the kubeconfig is not YAML"),
    "not a kubeconfig": ("[]", "FILE: expected a kubeconfig, found something else"),
    "no context": ({**kubeconfig({}, {}), "current-context": ""}, "FILE: $.current-context: no context is chosen"),
    "unknown context": (
        {**kubeconfig({}, {}), "current-context": "x"},
        "FILE: $.contexts: there is no context 'x'\n  hint: the contexts are: c",
    ),
    "no server": (kubeconfig({}, {}), "FILE: $.clusters[*].cluster.server: expected an http(s) URL, found ''"),
    "a proxy": (
        kubeconfig({"server": "https://k", "proxy-url": "http://p"}, {}),
        "FILE: $.clusters[*].cluster.proxy-url: not supported by serflab",
    ),
    "impersonation": (
        kubeconfig({"server": "https://k"}, {"as": "root"}),
        "FILE: $.users[*].user.as: not supported by serflab",
    ),
    "no base64": (
        kubeconfig({"server": "https://k", "certificate-authority-data": "%"}, {}),
        "FILE: $.clusters[*].cluster.certificate-authority-data: expected base64 of a PEM file",
    ),
    "no certificate": (
        kubeconfig({"server": "https://k", "certificate-authority-data": "aGk="}, {}),
        "FILE: $.clusters[*].cluster.certificate-authority: not a certificate",
    ),
    "missing certificate": (
        kubeconfig({"server": "https://k", "certificate-authority": "ca.crt"}, {}),
        "FILE: $.clusters[*].cluster.certificate-authority: DIR/ca.crt does not exist",
    ),
    "half a pair": (
        kubeconfig({"server": "https://k"}, {"client-certificate-data": "aGk="}),
        "FILE: $.users[*].user.client-key: missing; a client certificate needs both",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_says_where_and_why(case, write, tmp_path):
    content, expected = BROKEN[case]
    file = tmp_path / "none" if content is None else write(content)
    with pytest.raises(InputError) as caught:
        load_credentials(file)
    text = str(caught.value).replace(str(file), "FILE").replace(str(tmp_path), "DIR")
    assert text.startswith(expected), text


def test_a_plugin_is_run_by_the_kubernetes_package(write):
    answer = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "abc"}}'
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [answer],
        "interactiveMode": "Never",
    }
    credentials = load_credentials(write(kubeconfig({"server": "http://k"}, {"exec": plugin})))
    assert credentials.current_headers() == {"Authorization": "Bearer abc"}


def test_a_plugin_that_fails(write):
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}
    with pytest.raises(InputError, match="the plugin of context 'c' gave no credentials"):
        load_credentials(write(kubeconfig({"server": "http://k"}, {"exec": plugin})))


def test_the_kubernetes_package_is_left_alone_otherwise(write):
    file = write(kubeconfig({"server": "http://k"}, {"token": "abc"}))
    code = (
        "import sys; from serflab.kube.credentials import load_credentials; "
        f"load_credentials({str(file)!r}); sys.exit('kubernetes' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
