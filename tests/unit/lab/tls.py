"""A TLS handshake in memory between a server of a serf and a client, as strict as RFC 5280."""

from __future__ import annotations

import ssl


def handshake(pki, host, *, trusted=None, server="server", client="", context=None, demand_client=False):
    """Shake hands for `host`; return None when both sides are convinced, else what the first one that is not says.

    `client` names the certificate that the client shows, `trusted` the PKI whose authority it believes; `context`
    replaces both by a client's own context.
    """
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pki.certificate(server), pki.key(server))
    server_side.load_verify_locations(pki.certificate("ca"))
    if client or demand_client:
        server_side.verify_mode = ssl.CERT_REQUIRED
        server_side.verify_flags |= ssl.VERIFY_X509_STRICT
    if context is None:
        context = ssl.create_default_context(cafile=(trusted or pki).certificate("ca"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if client:
            context.load_cert_chain(pki.certificate(client), pki.key(client))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        context.wrap_bio(to_client, to_server, server_hostname=host),
        server_side.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error)
    return None
