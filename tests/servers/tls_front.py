# SPDX-License-Identifier: Apache-2.0
"""TLS in front of a server that speaks plain HTTP: good certificates, and every kind that a client must refuse."""
import select
import socket
import socketserver
import ssl
import tempfile
import threading
from urllib.parse import urlsplit

import tls

# The same names as OpenBao's own listeners have: whose certificate, and what is special.
LISTENERS = {"tls": "server", "mtls": "server", "tls12": "server", "expired": "expired", "early": "early",
             "wrong_host": "wrong-host", "self_signed": "self-signed"}
IDLE_SECONDS = 120
CHUNK = 1 << 16


def context_for(name, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = certificates / LISTENERS[name]
    context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
    if name == "mtls":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "ca.crt")
    if name == "tls12":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, context, upstream):
        super().__init__(("127.0.0.1", 0), None)
        self.context, self.upstream = context, upstream
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        """In a thread of the connection's own. One that ends badly is the client's to notice."""
        request.settimeout(IDLE_SECONDS)
        try:
            with self.context.wrap_socket(request, server_side=True) as client:
                with socket.create_connection(self.upstream, IDLE_SECONDS) as server:
                    carry(client, server)
        except OSError:
            pass


def carry(client, server):
    """Both ways until one of them ends. One thread, since an SSL object takes no two at once."""
    while True:
        readable = [client] if client.pending() else select.select([client, server], [], [], IDLE_SECONDS)[0]
        if not readable:
            return
        for source, sink in ((client, server), (server, client)):
            if source in readable:
                data = source.recv(CHUNK)
                if not data:
                    return
                sink.sendall(data)


class TlsFront:
    def __init__(self, address):
        where = urlsplit(address)
        self.folder = tempfile.TemporaryDirectory(prefix="bulla-tls-front-")
        self.certificates = tls.make(self.folder.name)
        self.listeners = {name: Listener(context_for(name, self.certificates), (where.hostname, where.port))
                          for name in LISTENERS}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners.values():
            listener.shutdown()
            listener.server_close()
        self.folder.cleanup()

    def describe(self):
        addresses = {f"{name}_addr": f"https://127.0.0.1:{listener.server_address[1]}"
                     for name, listener in self.listeners.items()}
        return {**addresses, **tls.files(self.certificates)}
