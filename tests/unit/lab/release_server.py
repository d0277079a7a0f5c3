"""A release server on loopback that behaves like the two real ones.

Like dl.k8s.io it serves `/release/<version>/bin/linux/<arch>/<program>` and, beside it, the same with `.sha256`: the
digest in hexadecimal. Like api.github.com it answers `/api/repos/<owner>/<name>/releases/tags/<tag>` with a release
whose assets have `name`, `digest` (`sha256:…`) and `browser_download_url`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ReleaseServer:
    """What it publishes is in `files` (path to content); `asked` is what was asked for."""

    def __init__(self):
        self.files = {}
        self.broken_off = set()
        self.asked = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(302)
                self.send_header("Location", "https://unreachable.invalid/")
                self.end_headers()

            def do_GET(self):
                outer.asked.append(self.path)
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:10] if self.path in outer.broken_off else content)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def publish_kubernetes(self, version, arch, program, content, digest=None):
        """Publish a program as dl.k8s.io does; return its path."""
        path = f"/release/{version}/bin/linux/{arch}/{program}"
        self.files[path] = content
        self.files[f"{path}.sha256"] = (hashlib.sha256(content).hexdigest() if digest is None else digest).encode()
        return path

    def publish_github(self, repository, tag, assets, digest=None):
        """Publish a release with these assets (name to content) as GitHub does."""
        listed = []
        for name, content in assets.items():
            self.files[f"/download/{name}"] = content
            asset_digest = f"sha256:{hashlib.sha256(content).hexdigest()}" if digest is None else digest
            listed.append({"name": name, "digest": asset_digest, "browser_download_url": f"{self.url}/download/{name}"})
        release = {"tag_name": tag, "assets": listed}
        self.files[f"/api/repos/{repository}/releases/tags/{tag}"] = json.dumps(release).encode()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
