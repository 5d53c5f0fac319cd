#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fakes of Cloud KMS and Key Vault against recordings of the real services: the same question, the same answer but for
keys, names and numbers. Needs BULLA_VECTORS; without it there is nothing to compare with (exit code 77)."""
import base64
import json
import os
import re
import sys
import unittest
from pathlib import Path

import rest
import sigv4
from fakes import AzureFake, GcpKms

RECORDED = Path(os.environ.get("BULLA_VECTORS", "/nonexistent")) / "cloud-kms-recordings" / "secrets"


def answers(name):
    """(path, request body, status, challenge, answer body) of each exchange recorded with a vault."""
    recording = json.loads((RECORDED / f"azurekeyvault/testdata/TestConformance/{name}.replay").read_text())
    for entry in recording["Entries"]:
        sent, got = entry["Request"], entry["Response"]
        yield (sent["URL"].partition("?")[0].rpartition("/")[2], base64.b64decode("".join(sent["BodyParts"])),
               got["StatusCode"], got["Header"].get("Www-Authenticate", [""])[0], json.loads(base64.b64decode(got["Body"])))


class GcpTest(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(GcpKms()) if hasattr(self, "enterContext") else GcpKms().__enter__()
        self.addCleanup(self.server.close)
        token = rest.call("GET", f"{self.server.address}/computeMetadata/v1/instance/service-accounts/default/token",
                          headers={"Metadata-Flavor": "Google"})[1]["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, verb, **fields):
        body = {name: base64.b64encode(value).decode() for name, value in fields.items()}
        return rest.call("POST", f"{self.server.address}/v1/{self.server.describe()['key']}:{verb}", body, self.headers)

    def recorded_words(self, name):
        """The messages of the refusals in a recording, in order. It is gRPC: google.rpc.Status, whose field 2 is the message."""
        data = (RECORDED / f"gcpkms/testdata/{name}.replay").read_bytes()
        found = []
        for match in re.finditer(rb"google\.rpc\.Status\x12(.)", data):
            at = data.index(b"\x08\x03\x12", match.end())  # code = 3, INVALID_ARGUMENT; message
            found.append(data[at + 4:at + 4 + data[at + 3]].decode())
        return found

    def assert_refused(self, words, **fields):
        status, body = self.ask("decrypt", **fields)
        self.assertEqual((status, body["error"]["status"], body["error"]["message"]), (400, "INVALID_ARGUMENT", words))

    def test_another_context_is_refused_in_the_recorded_words(self):
        words, = self.recorded_words("TestAdditionalAuthenticatedData")
        sealed = base64.b64decode(self.ask("encrypt", plaintext=b"a secret", additionalAuthenticatedData=b"sample AAD")[1]["ciphertext"])
        self.assert_refused(words, ciphertext=sealed, additionalAuthenticatedData=b"different AAD")

    def test_damage_is_refused_in_the_recorded_words(self):
        flipped, cut_front, cut_end = self.recorded_words("TestConformance/TestDecryptMalformedError")
        sealed = base64.b64decode(self.ask("encrypt", plaintext=b"I'm a secret message!")[1]["ciphertext"])
        self.assert_refused(flipped, ciphertext=bytes([sealed[0] + 1]) + sealed[1:])
        self.assert_refused(cut_front, ciphertext=sealed[1:])
        self.assert_refused(cut_end, ciphertext=sealed[:-1])

    def test_checksums_come_without_being_asked_for_and_flags_only_when_true(self):
        data = (RECORDED / "gcpkms/testdata/TestConformance/TestEncryptDecrypt.replay").read_bytes()
        self.assertIn(b'"\x06\x08', data)  # ciphertext_crc32c of a request that had no checksum; no verified_… follow
        _, answer = self.ask("encrypt", plaintext=b"I'm a secret message!")
        self.assertEqual(set(answer), {"name", "ciphertext", "ciphertextCrc32c", "protectionLevel"})
        _, answer = self.ask("decrypt", ciphertext=base64.b64decode(answer["ciphertext"]))
        self.assertEqual(set(answer), {"plaintext", "plaintextCrc32c", "usedPrimary", "protectionLevel"})


class AzureTest(unittest.TestCase):
    def setUp(self):
        self.server = AzureFake()
        self.server.__enter__()
        self.addCleanup(self.server.close)
        url = f"{self.server.address}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F127.0.0.1"
        token = rest.call("GET", url, headers={"Metadata": "true"})[1]["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, operation, value, headers):
        body = {"alg": "RSA-OAEP-256", "value": value}
        return rest.call("POST", f"{self.server.describe()['key']}/{operation}?api-version=7.4", body, headers)

    def test_what_was_recorded_is_answered_alike(self):
        operations, sealed = {"encrypt": "wrapkey", "decrypt": "unwrapkey"}, None
        for verb, sent, status, challenge, recorded in answers("TestEncryptDecrypt"):
            value = json.loads(sent)["value"] if sent else ""
            value = sealed if verb == "decrypt" and sent else value
            got_status, got = self.ask(operations[verb], value, self.headers if sent else {})
            self.assertEqual(got_status, status)
            if status == 401:
                self.assertEqual(got, recorded)
                self.assertIn("authorization=", challenge)
                continue
            self.assertEqual(set(got), set(recorded))
            self.assertRegex(got["kid"], r"/keys/\w+/[0-9a-f]{32}$")
            self.assertRegex(recorded["kid"], r"/keys/\w+/[0-9a-f]{32}$")
            sealed = got["value"] if verb == "encrypt" else sealed
            if verb == "decrypt":
                self.assertEqual(got["value"], recorded["value"])

    def test_damage_is_refused_in_the_recorded_words(self):
        refusals = [(status, body) for _, _, status, _, body in answers("TestDecryptMalformedError") if status == 400]
        self.assertGreaterEqual(len(refusals), 2)
        sealed = self.ask("wrapkey", "AAAA", self.headers)[1]["value"]
        for damaged in (("C" if sealed[0] == "B" else "B") + sealed[1:], sealed[:-2], "bWFsZm9ybWVk"):
            for expected in refusals:
                self.assertEqual(self.ask("unwrapkey", damaged, self.headers), expected)


class SignatureTest(unittest.TestCase):
    def test_the_signature_is_the_one_of_the_documentation(self):
        """The example that AWS works out step by step in its guide to Signature Version 4."""
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "iam.amazonaws.com",
                   "x-amz-date": "20150830T123600Z"}
        self.assertEqual(
            sigv4.signature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830/us-east-1/iam/aws4_request", "GET",
                                   "Action=ListUsers&Version=2010-05-08", headers),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


if __name__ == "__main__":
    if not RECORDED.exists():
        print("skipped: BULLA_VECTORS is not set, or has no recordings of clouds")
        sys.exit(77)
    unittest.main()
