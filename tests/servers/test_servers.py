#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does each server start, answer a real request, misbehave when told to and end?

    test_servers.py CLASS...      CLASS: of those below, such as OpenBaoTest
"""
import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from urllib.parse import urlencode, urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import rest  # noqa: E402
import sigv4  # noqa: E402
import tls  # noqa: E402
from kubernetes import TokenReview  # noqa: E402
from moto_server import Moto  # noqa: E402
from openbao import OpenBao  # noqa: E402
from openbao_cluster import OpenBaoCluster  # noqa: E402
from process import Failed, Missing, exit_missing, wait_until  # noqa: E402
from tls_front import TlsFront  # noqa: E402
from tokens import Kryoptic, SoftHsm  # noqa: E402
from toxiproxy import Proxy, proxy  # noqa: E402

DATA_KEY = base64.b64encode(bytes(32)).decode()
CONTEXT = base64.b64encode(b"tenant=7").decode()


class ServerTest(unittest.TestCase):
    """One server for the tests of a class."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(cls.kind())
        cls.facts = cls.server.describe()

    def ask(self, method, path, body=None, token=None, address="addr", **options):
        headers = {"X-Vault-Token": token or self.facts["token"], **options.pop("headers", {})}
        return rest.call(method, f"{self.facts[address]}/v1/{path}", body, headers, **options)


class OpenBaoTest(ServerTest):
    kind = OpenBao

    def wrap(self, token=None, path="transit/encrypt/bulla", **options):
        return self.ask("POST", path, {"plaintext": DATA_KEY, "associated_data": CONTEXT}, token, **options)

    def login(self, method, body, **options):
        status, answer = self.ask("POST", f"auth/{method}/login", body, "", **options)
        return answer["auth"]["client_token"] if status == 200 else answer

    def assert_can_wrap(self, token):
        status, answer = self.wrap(token)
        self.assertEqual(status, 200, answer)

    def test_context_is_bound(self):
        _, wrapped = self.wrap()
        body = {"ciphertext": wrapped["data"]["ciphertext"]}
        status, answer = self.ask("POST", "transit/decrypt/bulla", {**body, "associated_data": CONTEXT})
        self.assertEqual((status, answer["data"]["plaintext"]), (200, DATA_KEY))
        self.assertEqual(self.ask("POST", "transit/decrypt/bulla", body)[0], 400)

    def test_policies_give_the_least(self):
        self.assert_can_wrap(self.facts["use_token"])
        for token, path in (("no_token", "transit/encrypt/bulla"), ("use_token", "transit/encrypt/forbidden"),
                            ("token", "transit/encrypt/forbidden"), ("use_token", "transit/keys/bulla/rotate")):
            with self.subTest(token=token, path=path):
                self.assertEqual(self.wrap(self.facts[token], path)[0], 403)

    def test_logins(self):
        facts = self.facts
        self.assert_can_wrap(self.login("approle", {"role_id": facts["role_id"], "secret_id": facts["secret_id"]}))
        self.assert_can_wrap(self.userpass())
        for method, name in (("jwt", "jwt_file"), ("kubernetes", "kubernetes_jwt_file")):
            with self.subTest(method=method):
                self.assert_can_wrap(self.login(method, {"role": "bulla", "jwt": Path(facts[name]).read_text()}))

    def userpass(self):
        path = f"auth/userpass/login/{self.facts['username']}"
        _, answer = self.ask("POST", path, {"password": self.facts["password"]})
        return answer["auth"]["client_token"]

    def test_logins_with_wrong_credentials_fail(self):
        self.assertIn("errors", self.login("approle", {"role_id": self.facts["role_id"], "secret_id": "wrong"}))
        forged = Path(self.facts["jwt_file"]).read_text()[:-8] + "AAAAAAAA"
        self.assertIn("errors", self.login("jwt", {"role": "bulla", "jwt": forged}))
        self.assertIn("errors", self.login("kubernetes", {"role": "bulla", "jwt": forged}))

    def test_certificate_login(self):
        pair = (self.facts["client_cert"], self.facts["client_key"])
        for address in ("tls_addr", "mtls_addr"):
            with self.subTest(address=address):
                token = self.login("cert", {"name": "bulla"}, address=address, ca=self.facts["ca"], client=pair)
                self.assert_can_wrap(token)

    def test_client_certificates_are_demanded(self):
        stranger = (self.facts["other_client_cert"], self.facts["other_client_key"])
        for pair in (None, stranger):
            with self.subTest(pair=pair), self.assertRaises(OSError):
                self.wrap(address="mtls_addr", ca=self.facts["ca"], client=pair)

    def test_bad_certificates_are_bad(self):
        self.assertEqual(self.wrap(address="tls_addr", ca=self.facts["ca"])[0], 200)
        self.assertEqual(self.wrap(address="tls12_addr", ca=self.facts["ca"])[0], 200)
        for address in ("expired_addr", "early_addr", "wrong_host_addr", "self_signed_addr"):
            with self.subTest(address=address), self.assertRaisesRegex(OSError, "certificate verify failed"):
                self.wrap(address=address, ca=self.facts["ca"])
        with self.assertRaisesRegex(OSError, "certificate verify failed"):
            self.wrap(address="tls_addr", ca=self.facts["other_ca"])

    def test_one_listener_stops_at_tls_1_2(self):
        context = ssl.create_default_context(cafile=self.facts["ca"])
        for address, version in (("tls12_addr", "TLSv1.2"), ("tls_addr", "TLSv1.3")):
            where = urlsplit(self.facts[address])
            with socket.create_connection((where.hostname, where.port), 10) as plain:
                with context.wrap_socket(plain, server_hostname=where.hostname) as connection:
                    self.assertEqual(connection.version(), version)

    def test_namespaces_and_mounts_are_apart(self):
        inside = {"X-Vault-Namespace": self.facts["namespace"]}
        self.assertEqual(self.wrap(self.facts["namespace_token"], headers=inside)[0], 200)
        self.assertEqual(self.wrap(self.facts["namespace_token"])[0], 403)
        self.assertEqual(self.wrap(self.facts["use_token"], "team-a/transit/encrypt/bulla")[0], 200)

    def test_brief_tokens_are_brief(self):
        body = {"role_id": self.facts["brief_role_id"], "secret_id": self.facts["brief_secret_id"]}
        _, answer = self.ask("POST", "auth/approle/login", body)
        self.assertEqual((answer["auth"]["lease_duration"], answer["auth"]["renewable"]), (4, True))
        token = answer["auth"]["client_token"]
        self.assert_can_wrap(token)
        wait_until(lambda: self.wrap(token)[0] == 403, "the end of a brief token", 10)

    def test_sealed_and_unsealed(self):
        self.server.seal()
        self.assertEqual(self.wrap()[0], 503)
        self.server.unseal()
        wait_until(lambda: self.wrap()[0] == 200, "work after unsealing", 20)

    def test_restart_keeps_all(self):
        _, wrapped = self.wrap()
        for end in (self.server.stop, self.server.kill):
            end()
            with self.assertRaises(OSError):
                self.wrap()
            self.server.start()
            body = {"ciphertext": wrapped["data"]["ciphertext"], "associated_data": CONTEXT}
            self.assertEqual(self.ask("POST", "transit/decrypt/bulla", body)[0], 200)

    def test_paused_server_is_silent(self):
        self.server.pause()
        with self.assertRaises(TimeoutError):
            self.wrap(seconds=1)
        self.server.resume()
        self.assertEqual(self.wrap()[0], 200)

    def test_rate_limit(self):
        self.server.rate_limit("1")
        self.assertIn(429, [self.wrap()[0] for _ in range(20)])
        self.server.rate_limit("0")
        self.assertNotIn(429, [self.wrap()[0] for _ in range(20)])

    def test_revoked_token(self):
        token = self.userpass()
        self.assert_can_wrap(token)
        self.server.revoke(token)
        self.assertEqual(self.wrap(token)[0], 403)


class ClusterTest(ServerTest):
    kind = OpenBaoCluster

    def read_key(self, address):
        return rest.call("GET", f"{address}/v1/transit/keys/bulla", headers={"X-Vault-Token": self.facts["token"]})[0]

    def health(self):
        addresses = self.server.describe()["addresses"]
        return [rest.call("GET", f"{address}/v1/sys/health")[0] for address in addresses]

    def test_one_is_active_and_two_stand_by(self):
        self.assertEqual(self.health(), [200, 429, 429])
        # One that has just joined does not know at once whom to pass requests on to.
        addresses = self.facts["addresses"]
        wait_until(lambda: {self.read_key(address) for address in addresses} == {200}, "three who answer", 30)

    def test_another_takes_over(self):
        old = self.server.active()
        new = self.server.kill_active()
        self.assertNotEqual(old, new)
        self.assertEqual(self.read_key(new), 200)
        self.server.start_all()
        wait_until(lambda: sorted(self.health()) == [200, 429, 429], "three nodes again", 60)


class ToxiproxyTest(ServerTest):
    kind = OpenBao

    def setUp(self):
        self.front = self.enterContext(proxy(self.server))
        self.facts = {**self.facts, **self.front.describe()}

    def health(self, seconds=10, address="addr"):
        return rest.call("GET", f"{self.facts[address]}/v1/sys/health", ca=self.facts["ca"], seconds=seconds)[0]

    def test_passes_everything_on(self):
        self.assertNotEqual(self.facts["addr"], self.server.describe()["addr"])
        self.assertEqual([self.health(), self.health(address="tls_addr")], [200, 200])

    def test_latency(self):
        self.front.toxic("latency", latency=700)
        before = time.monotonic()
        self.assertEqual(self.health(), 200)
        self.assertGreater(time.monotonic() - before, 0.7)

    def test_black_hole_until_cleared(self):
        self.front.toxic("timeout", "timeout=0", "stream=upstream")
        with self.assertRaises(TimeoutError):
            self.health(seconds=1)
        self.front.clear()
        self.assertEqual(self.health(), 200)

    def test_reset(self):
        self.front.toxic("reset_peer", timeout=0)
        with self.assertRaises(ConnectionError):
            self.health()

    def test_down_and_up(self):
        self.front.down()
        with self.assertRaises(OSError):
            self.health()
        self.front.up()
        self.assertEqual(self.health(), 200)


class MotoTest(ServerTest):
    kind = Moto

    def signed(self, service, body, more, user="", secret=None):
        facts = self.server.describe()
        headers = sigv4.headers(facts["addr"], facts["region"], service, facts[f"{user}access_key_id"],
                                secret or facts[f"{user}secret_access_key"], body, more)
        return rest.call("POST", f"{facts['addr']}/", body, headers)

    def kms(self, operation, user="", secret=None, **body):
        more = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"TrentService.{operation}"}
        return self.signed("kms", json.dumps(body).encode(), more, user, secret)

    def wrap(self, **options):
        return self.kms("Encrypt", KeyId=self.facts["alias"], Plaintext=DATA_KEY, **options)

    def test_wrap_and_unwrap(self):
        status, wrapped = self.wrap(EncryptionContext={"tenant": "7"})
        self.assertEqual(status, 200, wrapped)
        blob = wrapped["CiphertextBlob"]
        status, answer = self.kms("Decrypt", CiphertextBlob=blob, EncryptionContext={"tenant": "7"})
        self.assertEqual((status, answer["Plaintext"]), (200, DATA_KEY))
        self.assertEqual(self.kms("Decrypt", CiphertextBlob=blob)[1]["__type"], "InvalidCiphertextException")

    def test_signatures_are_checked(self):
        status, answer = self.wrap(secret="not the secret")
        self.assertEqual(status, 403)
        self.assertIn("SignatureDoesNotMatch", answer)

    def test_rights_are_checked(self):
        self.assertEqual(self.wrap(user="use_")[0], 200)
        self.assertIn("AccessDenied", self.wrap(user="no_")[1])
        self.assertIn("AccessDenied", self.kms("CreateKey", user="use_")[1])

    def test_disabled_key_says_so(self):
        _, answer = self.kms("DescribeKey", KeyId=self.facts["disabled_alias"])
        self.assertEqual(answer["KeyMetadata"]["KeyState"], "Disabled")

    def assume(self, external_id):
        fields = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": self.facts["role_arn"],
                  "RoleSessionName": "tests", "ExternalId": external_id}
        return self.signed("sts", urlencode(fields).encode(), {"content-type": "application/x-www-form-urlencoded"})

    def test_role_wants_the_external_id(self):
        self.assertIn("<SessionToken>", self.assume(self.facts["external_id"])[1])
        self.assertEqual(self.assume("another")[0], 403)

    def test_credentials_can_be_taken_back(self):
        self.server.refuse_credentials()
        self.assertIn("InvalidClientTokenId", self.wrap()[1])
        self.server.allow_credentials()
        self.assertEqual(self.wrap()[0], 200)


class TlsFrontTest(unittest.TestCase):
    """TLS before a plain server, which is the TokenReview one."""

    def setUp(self):
        review = TokenReview()
        self.addCleanup(review.close)
        self.facts = self.enterContext(TlsFront(review.address)).describe()

    def ask(self, address, client=None, ca="ca"):
        body = {"spec": {"token": "x" * 100000}}
        return rest.call("POST", self.facts[address], body, ca=self.facts[ca], client=client)[0]

    def test_good_certificates(self):
        pair = (self.facts["client_cert"], self.facts["client_key"])
        self.assertEqual([self.ask("tls_addr"), self.ask("tls12_addr"), self.ask("mtls_addr", pair)], [201] * 3)

    def test_bad_certificates(self):
        for address in ("expired_addr", "early_addr", "wrong_host_addr", "self_signed_addr"):
            with self.subTest(address=address), self.assertRaisesRegex(OSError, "certificate verify failed"):
                self.ask(address)
        with self.assertRaisesRegex(OSError, "certificate verify failed"):
            self.ask("tls_addr", ca="other_ca")

    def test_client_certificate_is_demanded(self):
        for pair in (None, (self.facts["other_client_cert"], self.facts["other_client_key"])):
            with self.subTest(pair=pair), self.assertRaises(OSError):
                self.ask("mtls_addr", pair)


class SoftHsmTest(ServerTest):
    kind = SoftHsm

    def test_key_is_there_and_stays_inside(self):
        shown = self.server.tool("--list-objects", "--type", "secrkey")
        self.assertIn("label:      bulla", shown)
        self.assertRegex(shown, "sensitive.*never extractable")

    def test_wrong_pin_is_refused(self):
        pin, self.server.pin = self.server.pin, "0000"
        self.addCleanup(setattr, self.server, "pin", pin)
        with self.assertRaises(Failed):
            self.server.tool("--list-objects")

    def test_token_can_be_pulled_out(self):
        self.server.stop()
        with self.assertRaises(Failed):
            self.server.tool("--list-objects")
        self.server.start()
        self.assertIn("bulla", self.server.tool("--list-objects"))


class KryopticTest(SoftHsmTest):
    kind = Kryoptic


class CertificateTest(unittest.TestCase):
    """The certificates by themselves: openssl finds each good or bad for the reason that its name says."""

    def verify(self, folder, name, *words):
        line = ["openssl", "verify", "-CAfile", folder / "ca.crt", *words, folder / f"{name}.crt"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr

    def test_each_is_what_it_says(self):
        folder = tls.make(self.enterContext(tempfile.TemporaryDirectory(prefix="bulla-tls-")))
        server = ("-purpose", "sslserver", "-verify_hostname", "localhost")
        self.assertIn("server.crt: OK", self.verify(folder, "server", *server))
        self.assertIn("client.crt: OK", self.verify(folder, "client", "-purpose", "sslclient"))
        for name, words, reason in (("expired", server, "expired"), ("early", server, "not yet valid"),
                                    ("wrong-host", server, "hostname mismatch"), ("self-signed", server, "self-signed"),
                                    ("client", server, "purpose"), ("other-client", (), "unable to get local issuer")):
            with self.subTest(name=name):
                self.assertIn(reason, self.verify(folder, name, *words))


class RunnerTest(unittest.TestCase):
    """run.py with the server that is always there."""

    def run_it(self, *words, **options):
        return subprocess.run([sys.executable, HERE / "run.py", *words], capture_output=True, text=True, timeout=120,
                              **options)

    def test_command_finds_the_server_and_gives_the_code(self):
        script = 'test -e "$BULLA_SOFTHSM_MODULE" && test -e "$SOFTHSM2_CONF" && ' \
                 'grep -q \'"softhsm"\' "$BULLA_SERVERS_JSON" && exit 5'
        done = self.run_it("softhsm", "--", "sh", "-c", script)
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)

    def test_verbs_reach_the_server(self):
        done = self.run_it("softhsm", "--", sys.executable, str(HERE / "run.py"), "control", "softhsm", "tool", "-O")
        self.assertIn("bulla", done.stdout)
        done = self.run_it("softhsm", "--", sys.executable, str(HERE / "run.py"), "control", "softhsm", "seal")
        self.assertEqual((done.returncode, "knows no seal" in done.stderr), (1, True))

    def test_what_is_missing_is_a_skip(self):
        nowhere = {**os.environ, "BULLA_SERVERS_DIR": "/nonexistent", "BULLA_REQUIRE": ""}
        done = self.run_it("openbao", "--", "true", env=nowhere)
        self.assertEqual(done.returncode, 77)
        self.assertIn("tools/servers-setup", done.stdout)
        self.assertEqual(self.run_it("openbao", "--", "true", env={**nowhere, "BULLA_REQUIRE": "1"}).returncode, 1)

    def test_what_the_command_leaves_behind_ends_too(self):
        done = self.run_it("softhsm", "--", "sh", "-c", "sleep 100 >/dev/null 2>&1 & echo $!", stdin=subprocess.DEVNULL)
        wait_until(lambda: not is_alive(int(done.stdout)), "the end of what was left behind", 15)

    def assert_ends_all(self, number):
        """Ends the runner with a signal; the server, whose pid the command told, ends too."""
        tell = f"{sys.executable} {HERE}/run.py control moto pid; sleep 100"
        line = [sys.executable, HERE / "run.py", "moto", "--", "sh", "-c", tell]
        folder = self.enterContext(tempfile.TemporaryDirectory())  # one that is killed leaves its own behind
        runner = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder})
        self.addCleanup(runner.stdout.close)
        pid = int(runner.stdout.readline())
        self.assertTrue(is_alive(pid))
        runner.send_signal(number)
        runner.wait(30)
        wait_until(lambda: not is_alive(pid), "the end of the server", 15)

    def test_server_ends_with_a_runner_that_is_asked_to_end(self):
        self.assert_ends_all(signal.SIGTERM)

    def test_server_ends_with_a_runner_that_is_killed(self):
        self.assert_ends_all(signal.SIGKILL)


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# Who must be installed for the tests of a class.
NEEDS = {"OpenBaoTest": [OpenBao], "ClusterTest": [OpenBaoCluster], "MotoTest": [Moto], "SoftHsmTest": [SoftHsm],
         "KryopticTest": [Kryoptic],
         "ToxiproxyTest": [OpenBao, Proxy], "RunnerTest": [SoftHsm, Moto], "CertificateTest": [],
         "TlsFrontTest": []}

if __name__ == "__main__":
    try:
        for kind in (kind for name in sys.argv[1:] for kind in NEEDS[name]):
            kind.check()
    except Missing as reason:
        exit_missing(reason)
    unittest.main()
