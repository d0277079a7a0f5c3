"""The peer of the viewer's API: the same document as bytes from the shortest WSGI application, under waitress."""

from __future__ import annotations

import gzip
import logging
import sys
import urllib.request

import waitress


def main() -> None:
    """Serve on a port what a URL answers now."""
    port, url = int(sys.argv[1]), sys.argv[2]
    body = gzip.compress(urllib.request.urlopen(url).read())
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]

    def app(_environ, start_response):  # noqa: ANN001, ANN202
        start_response("200 OK", headers)
        return [body]

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # one line for every request that waits for a thread
    waitress.serve(app, host="127.0.0.1", port=port, _quiet=True)


if __name__ == "__main__":
    main()
