#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bulla datakey with a key of AWS KMS: what the service is asked for, and what of its answer is shown."""
import base64
import http.server
import json
import threading
import unittest

from command import CommandTest

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LENGTHS = {"AES_128": 16, "AES_256": 32}


class Kms(http.server.BaseHTTPRequestHandler):
    """As much of KMS as makes data keys; it remembers what it was asked."""

    def do_POST(self):
        operation = self.headers["X-Amz-Target"].removeprefix("TrentService.")
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"KeyId": ARN, "CiphertextBlob": base64.b64encode(b"blob").decode()}
        if operation == "GenerateDataKey":
            answer["Plaintext"] = base64.b64encode(b"k" * LENGTHS[request["KeySpec"]]).decode()
        self.server.asked.append((operation, request["KeySpec"], request.get("EncryptionContext")))
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


class Datakey(CommandTest):
    def setUp(self):
        super().setUp()
        self.kms = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
        self.kms.asked = []
        thread = threading.Thread(target=self.kms.serve_forever)
        thread.start()
        self.addCleanup(self.kms.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.kms.shutdown)
        self.env |= {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}

    def datakey(self, *args, settings=""):
        config = self.dir / "bulla.yaml"
        config.write_text(f"""kms:
  main:
    provider: aws
    endpoint: http://127.0.0.1:{self.kms.server_port}
    key_id: {ARN}
{settings}""", encoding="ascii")
        shown, = self.bulla_json("--config", config, "datakey", "kms:main", *args)
        return shown

    def test_a_key_is_shown_with_its_wrapped_form(self):
        shown = self.datakey("--context", "a=b")
        self.assertEqual(base64.b64decode(shown["plaintext"]), b"k" * 32)
        self.assertIn(b"blob", base64.b64decode(shown["wrapped"]))
        self.assertEqual(self.kms.asked, [("GenerateDataKey", "AES_256", {"a": "b"})])

    def test_data_key_spec_says_how_long_it_is(self):
        shown = self.datakey(settings="    data_key_spec: AES_128\n")
        self.assertEqual(base64.b64decode(shown["plaintext"]), b"k" * 16)
        self.assertEqual(self.kms.asked, [("GenerateDataKey", "AES_128", None)])

    def test_the_wrapped_form_alone_comes_without_the_key(self):
        for cache in "", "    cache: {enabled: true, ttl: 1m, reuse_age: 1m}\n":
            shown = self.datakey("--wrapped-only", settings="    data_key_spec: AES_128\n" + cache)
            self.assertEqual(list(shown), ["wrapped"])
            self.assertEqual(self.kms.asked.pop(), ("GenerateDataKeyWithoutPlaintext", "AES_128", None))


if __name__ == "__main__":
    unittest.main()
