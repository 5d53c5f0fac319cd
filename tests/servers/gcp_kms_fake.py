#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Google Cloud KMS as far as Bulla uses it, with token endpoint, security token service and metadata server.

    gcp_kms_fake.py PORT FOLDER

What it says is held to recordings of the real service (tests/servers/test_fakes.py): texts of refusals, checksums that come
with every answer, booleans that are absent when false. FOLDER holds the service accounts' public keys and the seed of all
keys. Ciphertexts are made with HMAC alone: nothing here is fit for anything but a test."""
import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
import struct
import sys
from pathlib import Path

import aws_identity
from fake_base import Fake, Refusal, check_times, read_assertion, serve

RING = "projects/bulla-test/locations/europe-west3/keyRings/main"
SCOPE = "https://www.googleapis.com/auth/cloudkms"
BROAD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
ACCOUNTS = "projects/-/serviceAccounts"
DOMAIN = "bulla-test.iam.gserviceaccount.com"
GENERATE = re.compile(rf"/v1/{ACCOUNTS}/(\w+)@{re.escape(DOMAIN)}:generateAccessToken")
# Accounts that others may impersonate, and who must stand between.
DELEGATES = {"near": [], "far": [f"{ACCOUNTS}/first@{DOMAIN}", f"{ACCOUNTS}/second@{DOMAIN}"]}
NAME = re.compile(r"/v1/(projects/[^/]+/locations/[^/]+/keyRings/[^/]+)/cryptoKeys(?:/([^/:]+))?"
                  r"(?:/cryptoKeyVersions(?:/(\d+))?)?(?::(\w+))?")
CODES = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
         "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNAVAILABLE": 503}
INVALID = "Decryption failed: the ciphertext is invalid."


def refusal(status, message, **headers):
    code = CODES[status]
    return Refusal(code, {"error": {"code": code, "message": message, "status": status}}, **headers)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def stream(key, nonce, length):
    out = b""
    while len(out) < length:
        out += hmac.new(key, b"stream" + nonce + struct.pack(">I", len(out)), hashlib.sha256).digest()
    return out[:length]


def xor(data, mask):
    return bytes(a ^ b for a, b in zip(data, mask))


class Key:
    def __init__(self, name, seed):
        self.name, self.seed = name, seed
        self.states = ["ENABLED"]
        self.primary = 1

    def material(self, version):
        return hmac.new(self.seed, f"{self.name}/{version}".encode(), hashlib.sha256).digest()

    def version(self, number):
        return {"name": f"{self.name}/cryptoKeyVersions/{number}", "state": self.states[number - 1],
                "createTime": f"2026-01-{number:02}T08:00:00.123456789Z", "protectionLevel": "SOFTWARE",
                "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"}

    def resource(self):
        return {"name": self.name, "primary": self.version(self.primary), "purpose": "ENCRYPT_DECRYPT",
                "createTime": "2026-01-01T08:00:00.123456789Z", "rotationPeriod": "7776000s",
                "nextRotationTime": "2027-01-01T00:00:00Z"}

    def check(self, number):
        state = self.states[number - 1]
        if state != "ENABLED":
            raise refusal("FAILED_PRECONDITION",
                          f"{self.name}/cryptoKeyVersions/{number} is not enabled, current state is: {state}.")

    def seal(self, number, plaintext, aad):
        """Two tags: one shows damage, the other another context, which the service answers differently."""
        self.check(number)
        key, nonce = self.material(number), secrets.token_bytes(16)
        head = b"\x0a\x24\x00" + struct.pack(">I", number) + nonce + xor(plaintext, stream(key, nonce, len(plaintext)))
        whole = hmac.new(key, b"whole" + head, hashlib.sha256).digest()
        return head + whole + hmac.new(key, b"aad" + whole + aad, hashlib.sha256).digest()

    def open(self, ciphertext, aad):
        if len(ciphertext) < 87 or ciphertext[:3] != b"\x0a\x24\x00":
            raise refusal("INVALID_ARGUMENT", INVALID)
        number = struct.unpack(">I", ciphertext[3:7])[0]
        if not 1 <= number <= len(self.states):
            raise refusal("INVALID_ARGUMENT", INVALID)
        key, head, whole, bound = self.material(number), ciphertext[:-64], ciphertext[-64:-32], ciphertext[-32:]
        if not hmac.compare_digest(whole, hmac.new(key, b"whole" + head, hashlib.sha256).digest()):
            raise refusal("INVALID_ARGUMENT", INVALID)
        self.check(number)
        if not hmac.compare_digest(bound, hmac.new(key, b"aad" + whole + aad, hashlib.sha256).digest()):
            raise refusal("INVALID_ARGUMENT", "Decryption failed.")
        return xor(head[23:], stream(key, head[7:23], len(head) - 23)), number == self.primary


class GcpKms(Fake):
    faults = ("throttle", "unavailable", "internal", "html", "wrong_crc", "no_crc", "no_aad", "unverified", "bad_crc_seen",
              "lie_name", "flip", "huge", "no_flavor", "refuse_login", "metadata_down", "aws_metadata_down")

    def __init__(self, port, folder):
        super().__init__(port, folder)
        seed = (self.folder / "seed").read_bytes()
        self.accounts = json.loads((self.folder / "accounts.json").read_text())
        names = ["app", "other", "disabled", "destroyed", "scheduled"] + [f"many{i:03}" for i in range(120)]
        self.keys = {f"{RING}/cryptoKeys/{name}": Key(f"{RING}/cryptoKeys/{name}", seed) for name in names}
        for name in ("disabled", "destroyed"):
            self.key(name).states = [name.upper()]
        self.key("scheduled").states = ["DESTROY_SCHEDULED"]
        self.pending_looks = 0
        self.machine = aws_identity.Machine()

    def key(self, name):
        return self.keys[f"{RING}/cryptoKeys/{name}"]

    def steer(self, name, value):
        """{"state": "KEY VERSION STATE"}, {"generation_looks": N}: new versions are pending for so many looks."""
        if name == "state":
            key, version, state = value.split()
            self.key(key).states[int(version) - 1] = state
        elif name == "generation_looks":
            self.pending_looks = value
        else:
            super().steer(name, value)

    def answer(self, request):
        impersonated = GENERATE.fullmatch(request.path)
        if impersonated:
            return self.impersonate(request, impersonated[1])
        if request.path.startswith("/v1/projects/"):
            return self.kms(request)
        if request.path.startswith("/latest/"):
            return self.aws_metadata(request)
        routes = {"/token": self.token, "/sts": self.exchange, "/subject": self.subject,
                  "/computeMetadata/v1/instance/service-accounts/default/token": self.metadata}
        if request.path not in routes:
            raise Refusal(404, "<html>no such page</html>")
        if self.hit("refuse_login"):
            raise Refusal(401, {"error": "invalid_client", "error_description": "Unauthorized"})
        return routes[request.path](request)

    # --- logins ---

    def granted(self, who):
        return {"access_token": self.tokens.grant(who, self.token_seconds), "expires_in": self.token_seconds,
                "token_type": "Bearer"}

    def token(self, request):
        form = request.form()
        if form.get("grant_type") == "refresh_token":
            if (form["client_id"], form["client_secret"], form["refresh_token"]) != ("user-client", "user-secret", "1//user&refresh"):
                raise Refusal(400, {"error": "invalid_grant", "error_description": "Bad Request"})
            return self.granted("user")
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise Refusal(400, {"error": "unsupported_grant_type"})
        return self.granted(self.who_asserts(form["assertion"]))

    def who_asserts(self, assertion):
        for email, account in self.accounts.items():
            try:
                header, claims = read_assertion(assertion, account["public_key"])
                check_times(claims, 3600)
            except ValueError:
                continue
            right = (claims["iss"], claims["aud"], header.get("kid"))
            if right == (email, f"{self.url}/token", account["key_id"]) and claims["scope"] in (SCOPE, BROAD_SCOPE):
                return account["who"] if claims["scope"] == SCOPE else f"broad-{account['who']}"
        raise Refusal(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})

    def subject(self, request):
        if request.headers.get("X-Subject") != "please":
            raise Refusal(403, {"error": "forbidden"})
        return {"token": {"nested": 1}, "id_token": "subject-from-url"}

    def exchange(self, request):
        form = request.form()
        expected = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": AUDIENCE,
                    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        if any(form.get(name) != value for name, value in expected.items()) or form.get("scope") not in (SCOPE, BROAD_SCOPE):
            raise Refusal(400, {"error": "invalid_request", "error_description": "Invalid value for \"audience\"."})
        try:
            self.check_subject(form["subject_token_type"], form["subject_token"])
        except ValueError as error:
            raise Refusal(400, {"error": "invalid_grant", "error_description": str(error)}) from error
        who = "app" if form["scope"] == SCOPE else "broad-federated"
        return {**self.granted(who), "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}

    def check_subject(self, kind, token):
        if kind == "urn:ietf:params:aws:token-type:aws4_request":
            self.count(f"aws {aws_identity.region_of(token, AUDIENCE)}")
        elif kind != "urn:ietf:params:oauth:token-type:jwt" or token not in ("subject-from-file", "subject-from-url"):
            raise ValueError("The subject token is not right.")

    def impersonate(self, request, account):
        who = self.tokens.who(request.headers.get("Authorization"))
        if who is None:
            raise refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        delegates = DELEGATES.get(account)
        if delegates is None:
            raise refusal("NOT_FOUND", f"Not found; Gaia id not found for email {account}@{DOMAIN}")
        wanted = {"scope": [SCOPE], "lifetime": "3600s", **({"delegates": delegates} if delegates else {})}
        if who not in ("user", "broad-app", "broad-federated") or request.json() != wanted:
            raise refusal("PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource.")
        self.count(f"impersonated {account}")
        return {"accessToken": self.tokens.grant(account, 3600), "expireTime": "2099-01-01T00:00:00Z"}

    def aws_metadata(self, request):
        if self.hit("aws_metadata_down"):
            raise Refusal(503, "<html>later</html>")
        answer = self.machine.answer(request)
        if answer is None:
            raise Refusal(401, "<html>Unauthorized</html>")
        return answer

    def metadata(self, request):
        if self.hit("metadata_down"):
            raise Refusal(503, "<html>later</html>", Metadata_Flavor="Google")
        if request.headers.get("Metadata-Flavor") != "Google":
            raise Refusal(403, "<html>Missing Metadata-Flavor:Google header.</html>")
        return self.granted("app"), {} if self.hit("no_flavor") else {"Metadata-Flavor": "Google"}

    # --- keys ---

    def kms(self, request):
        for fault, status in (("throttle", "RESOURCE_EXHAUSTED"), ("unavailable", "UNAVAILABLE"), ("internal", "INTERNAL")):
            if self.hit(fault):
                raise refusal(status, "Quota exceeded for quota metric 'Cryptographic requests'." if fault == "throttle" else
                              "The service is currently unavailable.", Retry_After="7")
        if self.hit("html"):
            return "<html><title>Sign in to the network</title></html>"
        if self.hit("huge"):
            return "x" * 2_000_000
        who = self.tokens.who(request.headers.get("Authorization"))
        if who is None:
            raise refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        self.count(f"quota {request.headers.get('x-goog-user-project')}")
        match = NAME.fullmatch(request.path)
        if not match:
            raise Refusal(404, "<html>no such page</html>")
        ring, name, version, verb = match.groups()
        self.count(f"as {who}")
        if who == "nobody" or who.startswith("broad-") or (who == "user-only" and verb not in ("encrypt", "decrypt")):
            raise refusal("PERMISSION_DENIED", f"Permission 'cloudkms.cryptoKeys.get' denied on resource '{ring}' (or it may not exist).")
        if name is None:
            return self.list(request)
        key = self.keys.get(f"{ring}/cryptoKeys/{name}")
        if key is None:
            raise refusal("NOT_FOUND", f"CryptoKey {ring}/cryptoKeys/{name} not found.")
        with self.lock:
            return self.operate(request, key, version, verb)

    def list(self, request):
        names = sorted(self.keys)
        start, size = int(request.query.get("pageToken", "0+/").rstrip("+/") or 0), int(request.query["pageSize"])
        answer = {"cryptoKeys": [self.keys[name].resource() for name in names[start:start + size]], "totalSize": len(names)}
        if start + size < len(names):
            answer["nextPageToken"] = f"{start + size}+/"
        return answer

    def operate(self, request, key, version, verb):
        if verb in ("encrypt", "decrypt"):
            self.count(verb)
            return getattr(self, verb)(request.json(), key, version)
        if verb == "updatePrimaryVersion":
            number = int(request.json()["cryptoKeyVersionId"])
            key.check(number)
            key.primary = number
            return key.resource()
        if "cryptoKeyVersions" not in request.path:
            return key.resource()
        if request.method == "POST":
            key.states.append("PENDING_GENERATION" if self.pending_looks else "ENABLED")
            return key.version(len(key.states))
        if version is None:
            return {"cryptoKeyVersions": [key.version(1)], "totalSize": len(key.states)}
        answer = key.version(int(version))
        if answer["state"] == "PENDING_GENERATION":
            self.pending_looks -= 1
            if self.pending_looks == 0:
                key.states[int(version) - 1] = "ENABLED"
        return answer

    def field(self, body, name):
        """A field's bytes, and whether its checksum was sent; a checksum that does not fit is refused."""
        try:
            data = base64.b64decode(body.get(name, ""), validate=True)
        except binascii.Error as error:
            raise refusal("INVALID_ARGUMENT", f"Invalid value at '{name}' (TYPE_BYTES), Base64 decoding failed") from error
        sent = body.get(f"{name}Crc32c")
        if sent is not None and (not isinstance(sent, str) or int(sent) != crc32c(data) or self.hit("bad_crc_seen")):
            raise refusal("INVALID_ARGUMENT", f"The checksum in field {name}_crc32c did not match the data in field {name}.")
        if len(data) > 65536:
            raise refusal("INVALID_ARGUMENT", f"The {name} is longer than 65536 bytes.")
        return data, sent is not None

    def encrypt(self, body, key, version):
        number = int(version) if version else key.primary
        plaintext, plaintext_sent = self.field(body, "plaintext")
        aad, aad_sent = self.field(body, "additionalAuthenticatedData")
        ciphertext = key.seal(number, plaintext, aad)
        name = "other" if self.hit("lie_name") else key.name.rsplit("/", 1)[1]
        answer = {"name": f"{RING}/cryptoKeys/{name}/cryptoKeyVersions/{number}", "protectionLevel": "SOFTWARE"}
        if not self.hit("no_crc"):
            answer["ciphertextCrc32c"] = str(crc32c(ciphertext) ^ self.hit("wrong_crc"))
            if plaintext_sent and not self.hit("unverified"):
                answer["verifiedPlaintextCrc32c"] = True
            if aad_sent and not self.hit("no_aad"):
                answer["verifiedAdditionalAuthenticatedDataCrc32c"] = True
        if self.hit("flip"):
            ciphertext = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
        return {**answer, "ciphertext": base64.b64encode(ciphertext).decode()}

    def decrypt(self, body, key, version):
        if version:
            raise Refusal(404, "<html>no such page</html>")
        ciphertext, _ = self.field(body, "ciphertext")
        aad, _ = self.field(body, "additionalAuthenticatedData")
        plaintext, used_primary = key.open(ciphertext, aad)
        answer = {"protectionLevel": "SOFTWARE"}
        if not self.hit("no_crc"):
            answer["plaintextCrc32c"] = str(crc32c(plaintext) ^ self.hit("wrong_crc"))
        if used_primary:
            answer["usedPrimary"] = True
        if self.hit("flip"):
            plaintext = bytes([plaintext[0] ^ 1]) + plaintext[1:]
        return {**answer, "plaintext": base64.b64encode(plaintext).decode()}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    serve(GcpKms, sys.argv[1], Path(sys.argv[2]))
