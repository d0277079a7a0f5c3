"""Credentials of one API server, read from a kubeconfig or from the pod that we run in.

Static credentials (certificates, tokens) are read here, because importing the `kubernetes` package takes longer than
everything else that a replay does before its first patch; it is imported only for exec plugins, auth providers and
passwords.

Format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from serflab.errors import Finding, InputError, SerflabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KUBECONFIG_ENV = "KUBECONFIG"
SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_UNSUPPORTED_CLUSTER_KEYS = ("proxy-url",)
_UNSUPPORTED_USER_KEYS = ("as", "as-uid", "as-groups", "as-user-extra")
_PLUGIN_USER_KEYS = ("exec", "auth-provider", "username")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach and convince one API server.

    `server` is its URL without a trailing slash, `ssl_context` is None for plain http, `headers` are sent with every
    request. Tokens that change while a program runs come from `renew`, which answers the current headers.
    """

    server: str
    ssl_context: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    server_hostname: str | None = None
    source: str = ""
    renew: Callable[[], Mapping[str, str]] | None = None

    def current_headers(self) -> Mapping[str, str]:
        """Return the headers to send now."""
        return self.renew() if self.renew else self.headers


def load_credentials(
    kubeconfig: Path | str | None = None, *, context: str | None = None, environ: Mapping[str, str] | None = None
) -> Credentials:
    """Return the credentials: of the flag, else of `$KUBECONFIG`, else of `~/.kube/config`, else of the pod's account.

    Raises `InputError` for a file that is missing or cannot be used and `SerflabError` when there is nothing to try.
    """
    env = os.environ if environ is None else environ
    if kubeconfig is not None:
        return _Kubeconfig([Path(kubeconfig).expanduser()]).credentials(context)
    if files := [Path(name) for name in env.get(KUBECONFIG_ENV, "").split(os.pathsep) if name]:
        # As kubectl does: a list of files may name some that are not there, a single file must be there.
        return _Kubeconfig([file for file in files if file.exists()] or files[:1]).credentials(context)
    default = Path(env.get("HOME", "~")).expanduser() / ".kube" / "config"
    if default.exists():
        return _Kubeconfig([default]).credentials(context)
    if "KUBERNETES_SERVICE_HOST" in env:
        return in_cluster_credentials(env)
    raise SerflabError(
        f"there is no kubeconfig: none was given, ${KUBECONFIG_ENV} is empty and {default} does not exist",
        hint="name one with --kubeconfig; `serflab kubeconfig SERF` prints the path of a serf's",
    )


def in_cluster_credentials(environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT_DIR) -> Credentials:
    """Return the credentials of this pod's service account; its token is read again when it changes."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    if ":" in host:
        host = f"[{host}]"
    token_file, ca_file = directory / "token", directory / "ca.crt"
    for file in (token_file, ca_file):
        if not file.is_file():
            raise SerflabError(f"this runs in a pod without a service account: {file} is not there")
    return Credentials(
        server=f"https://{host}:{port}",
        ssl_context=ssl.create_default_context(cafile=str(ca_file)),
        headers=_TokenFile(token_file)(),
        source="the pod's service account",
        renew=_TokenFile(token_file),
    )


class _TokenFile:
    """The Authorization header of a token file, read again when the file has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._modified = 0
        self._headers: Mapping[str, str] = {}

    def __call__(self) -> Mapping[str, str]:
        modified = self._file.stat().st_mtime_ns
        if modified != self._modified:
            self._headers = _bearer(self._file.read_text(encoding="utf-8").strip())
            self._modified = modified
        return self._headers


class _Kubeconfig:
    """One kubeconfig, or several merged: the first file that says something is right, as with kubectl."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._parts = [(file, _read(file)) for file in files]

    def credentials(self, wanted: str | None) -> Credentials:
        """Return the credentials of the wanted context, by default the current one."""
        name = wanted or next(
            (str(part["current-context"]) for _, part in self._parts if part.get("current-context")), ""
        )
        if not name:
            raise self._problem("$.current-context", "no context is chosen", hint=self._names("contexts"))
        _, context = self._entry("contexts", "context", name)
        cluster_file, cluster = self._entry("clusters", "cluster", str(context.get("cluster", "")))
        user_file, user = (
            self._entry("users", "user", str(context.get("user", ""))) if context.get("user") else (cluster_file, {})
        )
        self._refuse_unsupported(cluster, user)
        if any(key in user for key in _PLUGIN_USER_KEYS):
            return _from_kubernetes_package(self._files, name)
        return self._static(cluster_file, cluster, user_file, user)

    def _static(
        self, cluster_file: Path, cluster: dict[str, Any], user_file: Path, user: dict[str, Any]
    ) -> Credentials:
        server = str(cluster.get("server", "")).rstrip("/")
        if not server.startswith(("https://", "http://")):
            raise self._problem("$.clusters[*].cluster.server", f"expected an http(s) URL, found {server!r}")
        headers, renew = self._token(user_file, user)
        context = None
        if server.startswith("https://"):
            context = self._ssl_context(cluster_file, cluster)
            self._add_client_certificate(context, user_file, user)
        return Credentials(
            server=server,
            ssl_context=context,
            headers=headers,
            server_hostname=cluster.get("tls-server-name") or None,
            source=str(cluster_file),
            renew=renew,
        )

    def _token(
        self, file: Path, user: dict[str, Any]
    ) -> tuple[Mapping[str, str], Callable[[], Mapping[str, str]] | None]:
        if user.get("tokenFile"):
            renew = _TokenFile(self._existing(file, user["tokenFile"], "$.users[*].user.tokenFile"))
            return renew(), renew
        return (_bearer(str(user["token"])) if user.get("token") else {}), None

    def _ssl_context(self, file: Path, cluster: dict[str, Any]) -> ssl.SSLContext:
        authority = self._pem(file, cluster, "certificate-authority", "$.clusters[*].cluster")
        try:
            context = ssl.create_default_context(cadata=authority)
        except ssl.SSLError as error:
            path = "$.clusters[*].cluster.certificate-authority"
            raise self._problem(path, f"not a certificate: {error}", file=file) from error
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _add_client_certificate(self, context: ssl.SSLContext, file: Path, user: dict[str, Any]) -> None:
        certificate = self._pem(file, user, "client-certificate", "$.users[*].user")
        key = self._pem(file, user, "client-key", "$.users[*].user")
        if certificate is None and key is None:
            return
        if certificate is None or key is None:
            missing = "client-certificate" if certificate is None else "client-key"
            raise self._problem(
                f"$.users[*].user.{missing}",
                "missing; a client certificate needs both its certificate and its key",
                file=file,
            )
        # OpenSSL takes a client certificate from files only. mkstemp makes the file readable for its owner alone.
        handle, name = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as temporary:
                temporary.write(f"{certificate}\n{key}\n")
            context.load_cert_chain(name)
        except (ssl.SSLError, UnicodeEncodeError) as error:
            path = "$.users[*].user.client-certificate"
            raise self._problem(path, f"certificate and key cannot be used: {error}", file=file) from error
        finally:
            Path(name).unlink()

    def _pem(self, file: Path, section: dict[str, Any], key: str, path: str) -> str | None:
        """Return the text of `<key>-data` (base64) or of the file that `<key>` names, None if neither is there."""
        if data := section.get(f"{key}-data"):
            try:
                return base64.b64decode(data, validate=True).decode("ascii")
            except (binascii.Error, ValueError, TypeError) as error:
                raise self._problem(f"{path}.{key}-data", "expected base64 of a PEM file", file=file) from error
        if name := section.get(key):
            return self._existing(file, name, f"{path}.{key}").read_text(encoding="ascii", errors="replace")
        return None

    def _existing(self, file: Path, name: object, path: str) -> Path:
        # A relative path is meant relative to the kubeconfig that names it.
        target = file.parent / str(name)
        if not target.is_file():
            raise self._problem(path, f"{target} does not exist", file=file)
        return target

    def _entry(self, kind: str, key: str, name: str) -> tuple[Path, dict[str, Any]]:
        for file, part in self._parts:
            for entry in part.get(kind) or ():
                if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(key), dict):
                    return file, entry[key]
        raise self._problem(f"$.{kind}", f"there is no {key} {name!r}", hint=self._names(kind))

    def _names(self, kind: str) -> str:
        names = [
            str(entry.get("name"))
            for _, part in self._parts
            for entry in part.get(kind) or ()
            if isinstance(entry, dict)
        ]
        return f"the {kind} are: {', '.join(names)}" if names else f"there are no {kind}"

    def _refuse_unsupported(self, cluster: dict[str, Any], user: dict[str, Any]) -> None:
        for key in _UNSUPPORTED_CLUSTER_KEYS:
            if cluster.get(key):
                raise self._problem(f"$.clusters[*].cluster.{key}", "not supported by serflab")
        for key in _UNSUPPORTED_USER_KEYS:
            if user.get(key):
                raise self._problem(f"$.users[*].user.{key}", "not supported by serflab")

    def _problem(self, path: str, problem: str, *, hint: str = "", file: Path | None = None) -> InputError:
        return InputError([Finding(str(file or self._files[0]), path, problem, hint)])


def _read(file: Path) -> dict[str, Any]:
    def fail(problem: str, hint: str = "") -> InputError:
        return InputError([Finding(str(file), "", problem, hint)])

    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    except FileNotFoundError as error:
        raise fail("the kubeconfig does not exist", "is the serf up? `serflab status` tells") from error
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"the kubeconfig cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise fail(f"the kubeconfig is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise fail("expected a kubeconfig, found something else")
    return data


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _from_kubernetes_package(files: list[Path], context: str) -> Credentials:
    """Let the `kubernetes` package run the plugin that the kubeconfig asks for."""
    from kubernetes import client, config  # noqa: PLC0415 - takes 0.6 s, and only plugins need it

    configuration = client.Configuration()
    source = os.pathsep.join(map(str, files))
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            source, context=context, client_configuration=configuration
        )
    except config.ConfigException as error:
        raise InputError([Finding(source, "", f"the credentials cannot be loaded: {error}")]) from error
    ssl_context = None
    if configuration.host.startswith("https://"):
        ssl_context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if not configuration.verify_ssl:
            ssl_context.check_hostname = False
            ssl_context.verify_mode = ssl.CERT_NONE
        if configuration.cert_file:
            ssl_context.load_cert_chain(configuration.cert_file, configuration.key_file)

    def headers() -> Mapping[str, str]:
        # The package runs the plugin again when its token is about to expire. It has renamed the key of the token once.
        token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": token} if token else {}

    first = headers()
    if not first and not configuration.cert_file:
        problem = f"the plugin of context {context!r} gave no credentials"
        raise InputError([Finding(source, "$.users[*].user", problem, "does `kubectl` work with this kubeconfig?")])
    return Credentials(configuration.host.rstrip("/"), ssl_context, first, source=source, renew=headers)
