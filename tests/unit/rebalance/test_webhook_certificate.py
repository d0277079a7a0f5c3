"""The webhook's certificate: made and renewed by itself, or taken up as somebody else renews it."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import ssl

import pytest
from cryptography import x509

from serflab.errors import SerflabError
from serflab.lab.certificates import issue_server
from serflab.rebalance import webhook_certificate
from serflab.rebalance.webhook_certificate import ServingCertificate
from serflab.rebalance.webhook_configuration import Address, configuration

WEEK = dt.timedelta(days=7)


async def serial(certificate):
    """Return the serial number of the certificate that a new connection gets, checked against the authority."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=certificate.context)
    async with server:
        trusting = ssl.create_default_context(cadata=certificate.authority.decode())
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost")
        found = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.close()
    return found.serial_number


@pytest.fixture
async def kept(monkeypatch):
    """Keep certificates until the end of the test, looking often."""
    monkeypatch.setattr(webhook_certificate, "_LOOK_SECONDS", 0.01)
    tasks = []
    yield lambda certificate: tasks.append(asyncio.create_task(certificate.keep()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def changed(certificate, before):
    async with asyncio.timeout(10):
        while (now := await serial(certificate)) == before:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    return now


async def test_it_is_renewed_in_time_and_the_authority_stays(tmp_path, kept):
    certificate = ServingCertificate(tmp_path / "pki", ["localhost", "127.0.0.1"], dt.timedelta(seconds=3))
    authority, first = certificate.authority, await serial(certificate)
    kept(certificate)
    await changed(certificate, first)
    assert certificate.authority == authority
    again = ServingCertificate(tmp_path / "pki", ["localhost"], WEEK)
    assert again.authority == authority, "API servers know it still after a restart"
    assert (tmp_path / "pki" / "server.key").stat().st_mode & 0o077 == 0


async def test_files_of_somebody_else_are_taken_up_when_they_change(tmp_path, kept):
    def written():
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
        issue_server(tmp_path / "made", ["localhost"], [])
        for ours, theirs in (("ca.crt", "ca.crt"), ("server.crt", "tls.crt"), ("server.key", "tls.key")):
            shutil.copyfile(tmp_path / "made" / ours, mounted / theirs)

    mounted = tmp_path / "secret"
    mounted.mkdir()
    written()
    certificate = ServingCertificate(mounted, ["localhost"], WEEK)
    first, authority = await serial(certificate), certificate.authority
    kept(certificate)
    old_key = (mounted / "tls.key").read_bytes()
    written()
    (mounted / "tls.key").write_bytes(old_key)
    (mounted / "ca.crt").write_bytes(authority)
    await asyncio.sleep(0.05)
    assert await serial(certificate) == first, "what is being written is no reason to stop"
    written()
    await changed(certificate, first)
    assert sorted(file.name for file in mounted.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]


@pytest.fixture
def secret(tmp_path):
    """Return a directory as a mounted Secret has it."""
    issue_server(tmp_path / "made", ["localhost"], [])
    mounted = tmp_path / "secret"
    mounted.mkdir()
    for ours, theirs in (("ca.crt", "ca.crt"), ("server.crt", "tls.crt"), ("server.key", "tls.key")):
        shutil.copyfile(tmp_path / "made" / ours, mounted / theirs)
    return mounted


def test_files_that_are_no_certificate_are_told(tmp_path):
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).write_text("nothing", encoding="utf-8")
    with pytest.raises(SerflabError, match=r"tls\.crt and .*tls\.key cannot be used"):
        ServingCertificate(tmp_path, ["localhost"], WEEK)


@pytest.mark.parametrize("name", ["ca.crt", "tls.key"])
def test_a_file_of_somebody_else_that_is_missing_is_told(secret, name):
    (secret / name).unlink()
    with pytest.raises(SerflabError) as told:
        ServingCertificate(secret, ["localhost"], WEEK)
    assert told.value.message == f"{secret}: {name} missing"
    assert told.value.hint.startswith("beside tls.crt belong")
    assert told.value.exit_status == 1


def test_an_authority_that_is_none_is_told(secret):
    (secret / "ca.crt").write_text("nothing", encoding="utf-8")
    with pytest.raises(SerflabError, match=r"ca\.crt cannot be used") as told:
        ServingCertificate(secret, ["localhost"], WEEK)
    assert "expected the certificate of the authority" in told.value.hint


async def test_an_authority_that_is_missing_for_a_moment_ends_nothing(secret, kept, caplog):
    certificate = ServingCertificate(secret, ["localhost"], WEEK)
    before = certificate.authority
    kept(certificate)
    (secret / "ca.crt").rename(secret / "aside")
    async with asyncio.timeout(10):
        while "ca.crt missing" not in caplog.text:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert caplog.text.count("ca.crt missing") == 1, "said once, not at each look"
    assert certificate.authority == before
    (secret / "aside").rename(secret / "ca.crt")
    assert await serial(certificate)


def test_a_place_where_nothing_can_be_kept_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SerflabError) as told:
        ServingCertificate(tmp_path / "file" / "pki", ["localhost"], WEEK)
    assert f"{tmp_path}/file" in told.value.message
    assert "--certificates" in told.value.hint
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "complete").touch()
    with pytest.raises(SerflabError, match="No such file"):
        ServingCertificate(tmp_path / "half", ["localhost"], WEEK)


def test_the_configuration_asks_about_evictions_of_vms_only_and_refuses_without_an_answer():
    (webhook,) = configuration(Address("https://127.0.0.1:1234/"), b"PEM", "vms")["webhooks"]
    assert webhook["clientConfig"]["url"] == "https://127.0.0.1:1234/launcher-eviction-validate"
    assert (webhook["failurePolicy"], webhook["sideEffects"]) == ("Fail", "NoneOnDryRun")
    assert webhook["rules"][0]["resources"] == ["pods/eviction"]
    assert "virt-launcher-" in webhook["matchConditions"][0]["expression"]
    assert webhook["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "vms"}}
    (inside,) = configuration(Address(service=("system", "evictions", 443)), b"PEM")["webhooks"]
    assert inside["clientConfig"]["service"]["name"] == "evictions"
    assert "namespaceSelector" not in inside
