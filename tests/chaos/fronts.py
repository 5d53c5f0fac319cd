# SPDX-License-Identifier: Apache-2.0
"""Fronts of a key store that lie: HTTP with wrong bodies or a wrong clock, and TCP that breaks TLS handshakes. With `fault`
None, and `skew` 0, they pass on."""
import json
import os
import socket
import threading
import time
from datetime import datetime, timezone
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HTML = b"<!DOCTYPE html><html><body><h1>Welcome to the wireless network of Hotel Bulla</h1></body></html>"


class LyingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.upstream = HTTPConnection(self.server.upstream, timeout=10)

    def finish(self):
        self.upstream.close()
        try:
            super().finish()
        except OSError:
            pass

    def ask(self, body):
        headers = {key: value for key, value in self.headers.items() if key.lower() in ("x-vault-token", "content-type")}
        self.upstream.request(self.command, self.path, body, headers)
        answer = self.upstream.getresponse()
        return answer.status, answer.getheader("Content-Type", "application/json"), answer.read()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, kind, true = self.ask(body)
        said = self.server.lie(self.path, true) if status == 200 else true
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if said is HTML else kind)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = answer


class LyingFront(ThreadingHTTPServer):
    """fault: None, garbage, html, truncated, empty, other-type, swapped (each answer is that to the question before)."""

    daemon_threads = True
    handler = LyingHandler

    def __init__(self, address):
        super().__init__(("127.0.0.1", 0), self.handler)
        self.upstream = urlsplit(address).netloc
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.fault, self.last, self.lies = None, {}, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # clients that go away are what this is about

    def swapped(self, path, true):
        said, self.last[path] = self.last.get(path, true), true
        return said

    def lie(self, path, true):
        if not self.fault:
            return self.swapped(path, true) and true
        self.lies += 1
        if self.fault == "swapped":
            return self.swapped(path, true)
        return {"garbage": os.urandom(200), "html": HTML, "truncated": true[:len(true) // 2], "empty": b"",
                "other-type": json.dumps({"data": [{"plaintext": 5, "ciphertext": None}]}).encode()}[self.fault]


class SkewedHandler(LyingHandler):
    """As AWS does it: what was signed more than five minutes away from the server's time is refused, and every answer says
    what time that is."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        now = time.time() + self.server.skew
        signed = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
        if abs(signed - now) > 300:
            with self.server.lock:
                self.server.refused += 1
            status, kind, said = 400, "application/x-amz-json-1.1", json.dumps(
                {"__type": "InvalidSignatureException", "message": "Signature expired or not yet current"}).encode()
        else:
            self.upstream.request("POST", self.path, body, dict(self.headers.items()))
            answer = self.upstream.getresponse()
            status, kind, said = answer.status, answer.getheader("Content-Type", "application/x-amz-json-1.1"), answer.read()
        self.send_response_only(status)
        self.send_header("Date", formatdate(now, usegmt=True))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = answer


class SkewedFront(LyingFront):
    """skew: seconds that the store's clock is ahead; refused: requests that were signed at the wrong time."""

    handler = SkewedHandler

    def __init__(self, address):
        self.skew, self.refused, self.lock = 0, 0, threading.Lock()
        super().__init__(address)


class TlsBreaker:
    """fault: None, alert (a fatal handshake_failure instead of the handshake), noise, half-close (after the request)."""

    def __init__(self, address):
        self.upstream = urlsplit(address).hostname, urlsplit(address).port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        self.fault, self.pairs = None, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def begin(self, fault):
        """Connections that are there end, so that the fault meets everybody."""
        self.fault = fault
        for end in self.pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.pairs = []

    def answer(self, client):
        try:
            if self.fault in ("alert", "noise"):
                client.recv(65536)
                client.sendall(b"\x15\x03\x03\x00\x02\x02\x28" if self.fault == "alert" else os.urandom(300))
                client.close()
                return
            server = socket.create_connection(self.upstream)
            self.pairs += [client, server]
            threading.Thread(target=self.pump, args=(client, server), daemon=True).start()
            self.pump(server, client)
        except OSError:
            client.close()

    def pump(self, source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
                if self.fault == "half-close":
                    break
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
