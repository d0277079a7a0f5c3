"""Where a program can come from besides the cache: the PATH, or a release download with its published checksum."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from serflab.errors import SerflabError
from serflab.lab.tools.pinned import Pins, Tool, minor_of

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 30.0


def architecture() -> str:
    """Return this machine's architecture in Go's words."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def find_on_path(tool: Tool, pins: Pins) -> Path | None:
    """Return the program on PATH when its minor version is the pinned one, else None."""
    found = shutil.which(tool.name)
    if found is None:
        return None
    try:
        done = subprocess.run([found, *tool.version_arguments], capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    told = (done.stdout + done.stderr).decode("utf-8", errors="replace")
    same = minor_of(told) == minor_of(pins.version(tool))
    return Path(found) if same else None


@dataclass
class Downloads:
    """Release downloads, checked against the checksum that the same release publishes.

    Kubernetes publishes `<file>.sha256` beside each file; GitHub publishes the digest of each asset of a release in its
    REST API (`assets[].digest`). The environment variables `SERFLAB_KUBERNETES_RELEASES` and `SERFLAB_GITHUB_API` name
    mirrors of the two; `off` turns one off.
    """

    kubernetes: str = field(
        default_factory=lambda: os.environ.get("SERFLAB_KUBERNETES_RELEASES", "https://dl.k8s.io/release")
    )
    github: str = field(default_factory=lambda: os.environ.get("SERFLAB_GITHUB_API", "https://api.github.com"))
    _session: requests.Session = field(default_factory=requests.Session)

    def reachable(self) -> set[str]:
        """Return which of `kubernetes` and `github` answer; decided within the connection time-out for both at once."""
        answers: set[str] = set()

        def ask(name: str, url: str) -> None:
            try:
                requests.head(url, timeout=_CONNECT_SECONDS, allow_redirects=False)
            except requests.RequestException:
                return
            answers.add(name)

        places = {"kubernetes": self.kubernetes, "github": self.github}
        threads = [threading.Thread(target=ask, args=item, daemon=True) for item in places.items() if item[1] != "off"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_CONNECT_SECONDS + 1)
        return set(answers)

    def offers(self, tool: Tool, reachable: set[str]) -> bool:
        """Return whether a reachable place publishes the tool."""
        return bool(tool.release) and ("kubernetes" if tool.release == "dl.k8s.io" else "github") in reachable

    def fetch(self, tool: Tool, pins: Pins, target: Path, progress: Callable[[int, int], None]) -> None:
        """Download the tool's pinned release to `target`.

        `progress` is called with the bytes read so far and their total (0 when unknown). Raises `SerflabError` when it
        cannot be had or its checksum is not the published one; `target` is then not there.
        """
        version = pins.version(tool)
        asset = tool.asset.format(version=version, bare=version.removeprefix("v"), arch=architecture())
        try:
            if tool.release == "dl.k8s.io":
                url = f"{self.kubernetes}/{version}/bin/linux/{architecture()}/{asset}"
                expected = self._get(f"{url}.sha256").text.split()[0]
            else:
                url, expected = self._github_asset(tool.release, version, asset)
            archive = target.with_suffix(".download")
            self._save(url, expected, archive, progress)
            if asset.endswith(".tar.gz"):
                _extract(archive, tool.name, target)
                archive.unlink()
            else:
                archive.rename(target)
            target.chmod(0o755)
        except (LookupError, TypeError) as error:
            raise SerflabError(
                f"{tool.name} {version} could not be downloaded: that is no release: {error!r}"
            ) from error
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            target.unlink(missing_ok=True)
            raise SerflabError(f"{tool.name} {version} could not be downloaded: {error}") from error

    def _get(self, url: str, *, stream: bool = False) -> requests.Response:
        answer = self._session.get(url, timeout=(_CONNECT_SECONDS, _READ_SECONDS), stream=stream)
        answer.raise_for_status()
        return answer

    def _github_asset(self, repository: str, version: str, asset: str) -> tuple[str, str]:
        release: dict[str, Any] = self._get(f"{self.github}/repos/{repository}/releases/tags/{version}").json()
        for item in release["assets"]:
            if item["name"] == asset and str(item.get("digest") or "").startswith("sha256:"):
                return item["browser_download_url"], item["digest"].removeprefix("sha256:")
        raise SerflabError(f"release {version} of {repository} publishes no {asset} with a sha256 digest")

    def _save(self, url: str, expected: str, path: Path, progress: Callable[[int, int], None]) -> None:
        digest, done = hashlib.sha256(), 0
        with self._get(url, stream=True) as answer, path.open("wb") as file:
            total = int(answer.headers.get("Content-Length", 0))
            for chunk in answer.iter_content(1 << 20):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress(done, total)
        if digest.hexdigest() != expected:
            path.unlink()
            raise SerflabError(f"{url} has sha256 {digest.hexdigest()}, but its release publishes {expected}")


def _extract(archive: Path, name: str, target: Path) -> None:
    with tarfile.open(archive) as tar:
        member = next((item for item in tar if item.isfile() and Path(item.name).name == name), None)
        source = tar.extractfile(member) if member else None
        if source is None:
            raise SerflabError(f"{archive.name} holds no {name}")
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
