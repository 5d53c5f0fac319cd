# SPDX-License-Identifier: Apache-2.0
"""What the fake key stores have in common: HTTP with JSON in threads, tokens, assertions, faults that a test asks for.

A fake is a program of its own, `NAME_fake.py PORT FOLDER`, so that it can be paused and killed like a real server. It
keeps what it must not forget in FOLDER."""
import base64
import binascii
import json
import secrets
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


class Refusal(Exception):
    """An answer that is no success: status, body, headers."""

    def __init__(self, status, body, **headers):
        super().__init__(status)
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def decode64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, **more):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, **more).stdout


def read_assertion(text, public_key):
    """Header and claims of an RS256 token that `public_key` (PEM, or a certificate's) verifies; ValueError otherwise."""
    try:
        signed, _, signature = text.rpartition(".")
        header, claims = (json.loads(decode64url(part)) for part in signed.split("."))
        if header.get("alg") != "RS256":
            raise ValueError("not RS256")
        with tempfile.TemporaryDirectory() as folder:
            key, proof = Path(folder) / "key", Path(folder) / "signature"
            key.write_text(public_key)
            proof.write_bytes(decode64url(signature))
            openssl("dgst", "-sha256", "-verify", str(key), "-signature", str(proof), input=signed.encode())
        return header, claims
    except (subprocess.CalledProcessError, binascii.Error, json.JSONDecodeError) as error:
        raise ValueError(str(error)) from error


def check_times(claims, longest):
    """ValueError unless now lies between iat and exp, which are no further apart than `longest` seconds."""
    now = time.time()
    if not claims["iat"] - 60 <= now < claims["exp"] or claims["exp"] - claims["iat"] > longest:
        raise ValueError("the assertion's times are wrong")


class Tokens:
    """Access tokens given out, with whom they are for."""

    def __init__(self):
        self.given = {}
        self.num_logins = 0

    def grant(self, who, seconds):
        self.num_logins += 1
        token = f"t0ken.{who}.{secrets.token_urlsafe(24)}"
        self.given[token] = (who, time.time() + seconds)
        return token

    def who(self, authorization):
        """Whose token it is, or None."""
        who, end = self.given.get((authorization or "").removeprefix("Bearer "), (None, 0))
        return who if time.time() < end else None


class Fake:
    """The state of a fake. Subclasses answer requests in `answer(request)` with a body, or raise a Refusal."""

    faults = ()
    token_seconds = 3600

    def __init__(self, port, folder):
        self.port, self.folder = port, Path(folder)
        self.url = f"http://127.0.0.1:{port}"
        self.tokens = Tokens()
        self.lock = threading.RLock()
        self.pending = {}  # fault: how many more requests it shall hit
        self.seen = {}  # what a test may ask about: counters

    def hit(self, fault):
        """Whether a fault that was asked for hits now."""
        with self.lock:
            if self.pending.get(fault, 0) <= 0:
                return False
            self.pending[fault] -= 1
            return True

    def count(self, what):
        with self.lock:
            self.seen[what] = self.seen.get(what, 0) + 1

    def control(self, request):
        """POST /_fake with {"fault": N, ...}, {"forget_tokens": true}, {"token_seconds": N}; GET /_fake for the counters."""
        if request.method == "POST":
            for name, value in request.json().items():
                if name in self.faults:
                    self.pending[name] = value
                elif name == "forget_tokens":
                    self.tokens.given.clear()
                elif name == "token_seconds":
                    self.token_seconds = value
                else:
                    self.steer(name, value)
        return {**self.seen, "logins": self.tokens.num_logins}

    def steer(self, name, value):
        raise Refusal(400, {"error": f"no fault {name}, but {', '.join(self.faults)}"})

    def answer(self, request):
        raise NotImplementedError


class Request:
    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.path, self.headers, self.body = method, parts.path, headers, body
        self.query = dict(parse_qsl(parts.query))

    def json(self):
        try:
            return json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refusal(400, {"error": str(error)}) from error

    def form(self):
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(length))
        fake = self.server.fake
        try:
            body = fake.control(request) if request.path == "/_fake" else fake.answer(request)
            status, headers = 200, {}
            if isinstance(body, tuple):
                body, headers = body
        except Refusal as refusal:
            status, body, headers = refusal.status, refusal.body, refusal.headers
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = handle_any

    def log_message(self, *_):
        """Says nothing: requests carry tokens."""


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def serve(kind, port, folder):
    server = HttpServer(("127.0.0.1", int(port)), Handler)
    server.fake = kind(int(port), folder)
    server.serve_forever()
