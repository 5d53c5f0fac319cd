# SPDX-License-Identifier: Apache-2.0
"""Signs JSON web tokens (RS256, RFC 7515 and 7519) with an RSA key made for the run, through the openssl command."""
import base64
import json
import subprocess
import time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Signer:
    def __init__(self, folder):
        self.key = folder / "jwt.key"
        line = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key]
        subprocess.run(line, check=True, stderr=subprocess.DEVNULL)
        self.public = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout"], check=True, capture_output=True,
                                     text=True).stdout

    def sign(self, claims, seconds):
        now = int(time.time())
        claims = {"iat": now - 60, "nbf": now - 60, "exp": now + seconds, **claims}
        text = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text, check=True,
                                   capture_output=True).stdout
        return b".".join((text, encode(signature))).decode()
