#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the verbs for key stores say of a store on its bad days: a Vault of one key, as far as these verbs ask it."""
import base64
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import unittest

from command import CALLER, FATAL, RETRY, CommandTest


class Vault(http.server.ThreadingHTTPServer):
    """Answers to whoever logs in or has the token; `broken` has paths that are answered with 503."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.broken, self.seen, self.wrapped = set(), [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, path, body):
        self.seen.append(path)
        if path in self.broken:
            return 503, {"errors": []}
        if path == "sys/health":
            return 200, {"initialized": True, "sealed": False, "standby": False, "version": "2.4.0"}
        if path == "auth/approle/login":
            return 200, {"auth": {"client_token": "s.login", "lease_duration": 3600, "renewable": True}}
        if path == "auth/token/lookup-self":
            return 200, {"data": {"ttl": 0, "renewable": False}}
        if path == "transit/keys/app":
            return 200, {"data": {"type": "aes256-gcm96", "latest_version": 1, "keys": {"1": 1700000000}}}
        if path == "transit/keys":
            return 200, {"data": {"keys": ["app"]}}
        if path == "transit/datakey/plaintext/app":
            text = f"vault:v1:{base64.b64encode(os.urandom(60)).decode()}"
            self.wrapped[text] = base64.b64encode(os.urandom(32)).decode(), body.get("associated_data", "")
            return 200, {"data": {"ciphertext": text, "plaintext": self.wrapped[text][0]}}
        if path == "transit/encrypt/app":
            text = f"vault:v1:{base64.b64encode(os.urandom(60)).decode()}"
            self.wrapped[text] = body["plaintext"], body.get("associated_data", "")
            return 200, {"data": {"ciphertext": text}}
        if path == "transit/rewrap/app":
            text = f"vault:v1:{base64.b64encode(os.urandom(60)).decode()}"
            self.wrapped[text] = self.wrapped[body["ciphertext"]]
            return 200, {"data": {"ciphertext": text}}
        if path == "transit/decrypt/app":
            plaintext, bound = self.wrapped[body["ciphertext"]]
            if bound == body.get("associated_data", ""):
                return 200, {"data": {"plaintext": plaintext}}
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 404, {"errors": []}


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body go together

    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        status, said = self.server.answer(self.path.removeprefix("/v1/").split("?")[0], body)
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Kms(CommandTest):
    def setUp(self):
        super().setUp()
        self.vault = Vault()
        self.addCleanup(self.vault.server_close)
        self.addCleanup(self.vault.shutdown)
        self.address = f"http://127.0.0.1:{self.vault.server_port}"

    def configure(self, text):
        folder = self.home / ".config/bulla"
        folder.mkdir(parents=True)
        (folder / "bulla.yaml").write_text(text)

    def verify(self, *args, status=0, **options):
        """{step: what is said of it} of the only key."""
        (said,) = self.bulla_json("verify", "kms", *args, status=status, **options)
        (key,) = said["keys"]
        return {step["step"]: step for step in key["steps"]}

    def test_a_login_that_does_not_work_is_the_step_that_failed(self):
        self.configure(f"kms: {{main: {{provider: vault, address: '{self.address}', role_id: r, key_name: app}}}}\n")
        self.assertEqual({step["result"] for step in self.verify().values()}, {"ok"})
        self.vault.broken.add("auth/approle/login")
        steps = self.verify(status=RETRY)
        self.assertEqual([steps[name]["result"] for name in ("reach", "authenticate", "describe")], ["ok", "failed", "skipped"])
        self.assertIn("login", steps["authenticate"]["cause"])

    def test_a_certificate_that_is_not_accepted_is_told_with_the_remedy(self):
        cert, key = self.dir / "cert.pem", self.dir / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                        "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.vault.socket = context.wrap_socket(self.vault.socket, server_side=True)
        env = {**self.env, "VAULT_ADDR": self.address.replace("http:", "https:"), "VAULT_TOKEN": "s.token"}
        steps = self.verify("vault:transit/keys/app", status=FATAL, env=env)
        self.assertEqual([steps[name]["result"] for name in ("reach", "authenticate")], ["failed", "skipped"])
        self.assertIn("is self-signed", steps["reach"]["cause"])
        self.assertIn("tls.ca_cert", steps["reach"]["remedy"])
        self.assertEqual(self.vault.seen, [])

    def test_no_credentials_are_no_login(self):
        steps = self.verify("vault:transit/keys/app", status=CALLER, env={**self.env, "VAULT_ADDR": self.address})
        self.assertEqual([steps[name]["result"] for name in ("reach", "authenticate", "describe")], ["ok", "failed", "skipped"])
        self.assertIn("no credentials", steps["authenticate"]["cause"])

    def test_credentials_that_are_not_there_say_nothing_of_the_store(self):
        env = {**self.env, "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}
        steps = self.verify("gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k", status=CALLER, env=env)
        self.assertEqual([steps[name]["result"] for name in ("reach", "authenticate", "describe")], ["unsaid", "failed", "skipped"])
        self.assertIn("/nowhere.json", steps["authenticate"]["cause"])
        self.assertIn("credentials_file", steps["authenticate"]["cause"])

    def test_a_key_that_is_not_there_is_told_by_a_store_that_knows_us(self):
        env = {**self.env, "VAULT_ADDR": self.address, "VAULT_TOKEN": "s.token"}
        steps = self.verify("vault:transit/keys/other", status=CALLER, env=env)
        self.assertEqual([steps[name]["result"] for name in ("authenticate", "describe", "wrap")], ["ok", "failed", "skipped"])

    def test_what_the_environment_alone_configures_is_asked_once_too(self):
        self.vault.broken.add("transit/datakey/plaintext/app")
        env = {**self.env, "VAULT_ADDR": self.address, "VAULT_TOKEN": "s.token"}
        self.verify("vault:transit/keys/app", status=RETRY, env=env)
        self.bulla("kms", "test", "--key", "vault:transit/keys/app", status=RETRY, env=env)
        self.assertEqual(self.vault.seen.count("transit/datakey/plaintext/app"), 2)

    def test_a_store_that_names_no_key_is_not_asked_for_one(self):
        self.configure(f"kms: {{main: {{provider: vault, address: '{self.address}', token: t}}}}\n"
                       f"cache: {{enabled: true}}\nrecipients: ['{self.key}']\n")
        self.assertEqual(self.verify()["wrap"]["result"], "ok")
        self.assertEqual(self.vault.seen, [])
        self.assertIn(self.key, self.bulla("stats", "cache", "-q").decode())
        self.assertEqual(self.stderr, "")

    def test_a_key_that_is_to_wrap_anew_opens_too(self):
        env = {**self.env, "VAULT_ADDR": self.address, "VAULT_TOKEN": "s.token"}
        (self.dir / "letter").write_text("hello")
        self.bulla("encrypt", "-r", "vault:transit/keys/app", "letter", env=env)
        self.bulla("rewrap", "--renew", "vault:transit/keys/app", "letter.bulla", env=env)
        self.assertEqual(self.bulla("decrypt", "-r", "vault:transit/keys/app", "-o", "-", "letter.bulla", env=env), b"hello")

    def test_a_store_that_does_not_do_it_once_is_not_profiled(self):
        self.configure(f"kms: {{main: {{provider: vault, address: '{self.address}', token: t, key_name: app}}}}\n")
        self.vault.broken.add("transit/datakey/plaintext/app")
        self.bulla("profile", "kms", "--duration", "60s", "-j", "4", status=RETRY)
        self.assertEqual(self.vault.seen.count("transit/datakey/plaintext/app"), 1)

    def test_no_credential_is_said_however_much_is_asked_for(self):
        token, secret_id = "s.tell-nobody-1", "tell-nobody-2"
        both = f"provider: vault, address: '{self.address}', key_name: app"
        self.configure(f"log: {{level: debug}}\nkms: {{one: {{{both}, token: {token}}}, "
                       f"two: {{{both}, auth_method: approle, role_id: r, secret_id: {secret_id}}}}}\n")
        said = []
        for broken in (), ("transit/keys/app",), ("auth/approle/login", "auth/token/lookup-self"), ("sys/health",):
            self.vault.broken = set(broken)
            for verb in (("verify", "kms"), ("kms", "show", "kms:two"), ("profile", "kms", "kms:one", "--duration", "1s"),
                         ("config", "show"), ("stats", "cache")):
                for how in ((), ("--json",)):
                    done = self.run_bulla(*verb, *how, "-v", "-v")
                    said.append(done.stdout + done.stderr)
        self.assertIn(b"login", b"".join(said))
        self.assertIn(b"********", b"".join(said))
        self.assertNotIn(b"tell-nobody", b"".join(said))

    def test_what_a_list_does_not_tell_is_null(self):
        self.configure(f"kms: {{main: {{provider: vault, address: '{self.address}', token: t, key_name: app}}}}\n")
        (keys,) = self.bulla_json("kms", "list", "kms:main")
        self.assertEqual(keys, [{"address": "vault:transit/keys/app?kms=main", "id": "app", "state": None, "version": None}])
        self.assertIn(" -  ", self.bulla("kms", "list", "kms:main").decode())

    def test_a_profile_has_a_histogram_of_each_call_and_phase(self):
        self.configure(f"kms: {{main: {{provider: vault, address: '{self.address}', token: t, key_name: app}}}}\n")
        (said,) = self.bulla_json("profile", "kms", "--duration", "1s")
        names = [entry["name"] for entry in said["requests"]]
        for phase in ("dns", "connect", "server", "transfer"):
            self.assertTrue(any(f'phase="{phase}"' in name for name in names), phase)
        for entry in said["calls"] + said["requests"]:
            self.assertEqual(sum(bucket["count"] for bucket in entry["buckets"]), entry["count"], entry["name"])
        drawn = self.bulla("profile", "kms", "--duration", "1s").decode()
        self.assertRegex(drawn, re.compile(r'phase="server"\}: \d+\n( +[\d.]+ ms +\d+( #+)?\n)+  p50 '))


if __name__ == "__main__":
    unittest.main()
