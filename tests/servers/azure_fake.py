#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Azure Key Vault and Managed HSM keys as far as Bulla uses them, with Entra ID, IMDS and App Service's endpoint.

    azure_fake.py PORT FOLDER

The emulators that there are know no AES key wrap, no IMDS and few faults; this one has them, and plain RSA-OAEP-256 too. What
it says is held to recordings of the real service (tests/servers/test_fakes.py). The arithmetic is slow and tells its secrets
by time: it is fit for a test and nothing else."""
import hashlib
import hmac
import json
import re
import secrets
import struct
import sys
import time
from pathlib import Path

from fake_base import Fake, Refusal, check_times, decode64url, encode64url, openssl, read_assertion, serve

CHALLENGE = 'Bearer authorization="https://login.fake.test/{tenant}", resource="https://{host}"'
PATH = re.compile(r"/keys(?:/([A-Za-z0-9-]+)(?:/([A-Za-z0-9-]+))?(?:/(wrapkey|unwrapkey))?)?")
PAGE = 2


def refusal(status, code, message, inner=None, **headers):
    error = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return Refusal(status, {"error": error}, **headers)


# --- AES-256 (FIPS 197) and its key wrap (RFC 3394) ---

def _boxes():
    box, p, q = [0] * 256, 1, 1
    while True:
        p ^= (p << 1) ^ (0x11B if p & 0x80 else 0)
        p &= 0xFF
        for shift in (1, 2, 4):
            q ^= q << shift
        q &= 0xFF
        q ^= 0x09 if q & 0x80 else 0
        box[p] = 0x63 ^ q ^ (q << 1 | q >> 7) & 0xFF ^ (q << 2 | q >> 6) & 0xFF ^ (q << 3 | q >> 5) & 0xFF ^ (q << 4 | q >> 4) & 0xFF
        if p == 1:
            break
    box[0] = 0x63
    return box, [box.index(value) for value in range(256)]


BOX, UNBOX = _boxes()


def times(a, b):
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


class Aes256:
    def __init__(self, key):
        words, rcon = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
        for i in range(8, 60):
            word = list(words[-1])
            if i % 8 == 0:
                word = [BOX[b] for b in word[1:] + word[:1]]
                word[0] ^= rcon
                rcon = times(rcon, 2)
            elif i % 8 == 4:
                word = [BOX[b] for b in word]
            words.append([a ^ b for a, b in zip(words[i - 8], word)])
        self.rounds = [sum(words[i:i + 4], []) for i in range(0, 60, 4)]

    @staticmethod
    def mix(state, row):
        return [times(state[c], row[0]) ^ times(state[c - c % 4 + (c + 1) % 4], row[1])
                ^ times(state[c - c % 4 + (c + 2) % 4], row[2]) ^ times(state[c - c % 4 + (c + 3) % 4], row[3]) for c in range(16)]

    def encrypt(self, block):
        state = [a ^ b for a, b in zip(block, self.rounds[0])]
        for number, round_key in enumerate(self.rounds[1:], 1):
            state = [BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if number != 14:
                state = self.mix(state, (2, 3, 1, 1))
            state = [a ^ b for a, b in zip(state, round_key)]
        return bytes(state)

    def decrypt(self, block):
        state = [a ^ b for a, b in zip(block, self.rounds[14])]
        for number in range(13, -1, -1):
            state = [UNBOX[state[(i - 4 * (i % 4)) % 16]] for i in range(16)]
            state = [a ^ b for a, b in zip(state, self.rounds[number])]
            if number:
                state = self.mix(state, (14, 11, 13, 9))
        return bytes(state)


IV = b"\xa6" * 8


def aes_wrap(key, data):
    cipher, a, parts = Aes256(key), IV, [data[i:i + 8] for i in range(0, len(data), 8)]
    for step in range(6 * len(parts)):
        block = cipher.encrypt(a + parts[step % len(parts)])
        a = struct.pack(">Q", struct.unpack(">Q", block[:8])[0] ^ (step + 1))
        parts[step % len(parts)] = block[8:]
    return a + b"".join(parts)


def aes_unwrap(key, data):
    """None when the data is not what was wrapped."""
    if len(data) < 24 or len(data) % 8:
        return None
    cipher, a, parts = Aes256(key), data[:8], [data[i:i + 8] for i in range(8, len(data), 8)]
    for step in range(6 * len(parts) - 1, -1, -1):
        a = struct.pack(">Q", struct.unpack(">Q", a)[0] ^ (step + 1))
        block = cipher.decrypt(a + parts[step % len(parts)])
        a, parts[step % len(parts)] = block[:8], block[8:]
    return b"".join(parts) if a == IV else None


# --- RSA-OAEP with SHA-256 (RFC 8017, 7.1) ---

EMPTY = hashlib.sha256(b"").digest()


def mask(seed, length):
    out = b"".join(hashlib.sha256(seed + struct.pack(">I", i)).digest() for i in range((length + 31) // 32))
    return out[:length]


def xor(data, other):
    return bytes(a ^ b for a, b in zip(data, other))


class Rsa:
    def __init__(self, path):
        text = openssl("rsa", "-in", str(path), "-noout", "-text").decode()
        def number(name):
            return int(re.sub(r"[\s:]", "", re.search(name + r":\s*\n((?: +[0-9a-f:]+\n)+)", text).group(1)), 16)
        self.n, self.p, self.q, self.dp, self.dq, self.inverse = map(
            number, ("modulus", "prime1", "prime2", "exponent1", "exponent2", "coefficient"))
        self.length = (self.n.bit_length() + 7) // 8

    def encrypt(self, data):
        room = self.length - 33
        db, seed = EMPTY + bytes(room - 33 - len(data)) + b"\x01" + data, secrets.token_bytes(32)
        masked = xor(db, mask(seed, room))
        message = b"\0" + xor(seed, mask(masked, 32)) + masked
        return pow(int.from_bytes(message, "big"), 65537, self.n).to_bytes(self.length, "big")

    def decrypt(self, data):
        if len(data) != self.length or int.from_bytes(data, "big") >= self.n:
            return None
        number = int.from_bytes(data, "big")
        first, second = pow(number, self.dp, self.p), pow(number, self.dq, self.q)
        message = (second + (first - second) * self.inverse % self.p * self.q).to_bytes(self.length, "big")
        seed = xor(message[1:33], mask(message[33:], 32))
        db = xor(message[33:], mask(seed, self.length - 33))
        rest = db[32:].lstrip(b"\0")
        return rest[1:] if message[0] == 0 and db[:32] == EMPTY and rest[:1] == b"\x01" else None


class Version:
    """One version of a key: it knows how to wrap, and what it is called."""

    def __init__(self, kid, algorithm, wrap, unwrap, created):
        self.kid, self.algorithm, self.wrap, self.unwrap = kid, algorithm, wrap, unwrap
        self.attributes = {"enabled": True, "created": created, "updated": created, "recoveryLevel": "Recoverable+Purgeable"}

    def bundle(self):
        kty = "RSA" if self.algorithm == "RSA-OAEP-256" else "oct-HSM"
        return {"key": {"kid": self.kid, "kty": kty, "key_ops": ["wrapKey", "unwrapKey"], "n": "AQAB", "e": "AQAB"},
                "attributes": self.attributes}

    def check_state(self):
        now = time.time()
        if not self.attributes["enabled"]:
            raise refusal(403, "Forbidden", "Operation unwrapKey is not allowed on a disabled key.", "KeyDisabled")
        if now < self.attributes.get("nbf", 0):
            raise refusal(403, "Forbidden", "Operation is not allowed before the key's activation date.", "KeyNotYetValid")


class AzureVault(Fake):
    faults = ("throttle", "unavailable", "internal", "html", "evil_challenge", "no_challenge", "lie_kid", "other_host", "flip", "refuse_token",
              "refuse_login", "identity_missing", "identity_upgrading")
    token_seconds = 3600

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.settings = json.loads((self.folder / "settings.json").read_text())
        self.seed = (self.folder / "seed").read_bytes()
        self.rsa = [Rsa(self.folder / "rsa.pem"), Rsa(self.folder / "rsa2.pem")]
        self.make_keys()

    def make_keys(self):
        self.created = int(time.time()) - 1000
        self.keys = {"app": [], "other": [], "disabled": [], "expired": [], "early": [], "hsm": [], "other-hsm": []}
        for name in self.keys:
            self.add_version(name)
        self.keys["disabled"][0].attributes["enabled"] = False
        self.keys["expired"][0].attributes["exp"] = int(time.time()) - 10
        self.keys["early"][0].attributes["nbf"] = int(time.time()) + 1000

    def add_version(self, name):
        number = len(self.keys[name])
        kid = f"{self.url}/keys/{name}/{hashlib.md5(f'{name}{number}'.encode()).hexdigest()}"
        if "hsm" in name:
            key = hmac.new(self.seed, kid.encode(), hashlib.sha256).digest()
            made = Version(kid, "A256KW", lambda data: aes_wrap(key, data), lambda data: aes_unwrap(key, data), self.created + number)
        else:
            rsa = self.rsa[(number + (name == "other")) % 2]
            made = Version(kid, "RSA-OAEP-256", rsa.encrypt, rsa.decrypt, self.created + number)
        self.keys[name].append(made)
        return made

    def steer(self, name, value):
        """{"enabled": "KEY 0"}: of the current version; {"base": URL}: the vault is called so from now on."""
        if name == "enabled":
            key, enabled = value.split()
            self.keys[key][-1].attributes["enabled"] = enabled == "1"
        elif name == "base":
            self.url = value
            self.make_keys()
        else:
            super().steer(name, value)

    def answer(self, request):
        if request.path.startswith("/keys"):
            return self.vault(request)
        routes = {f"/authority/{self.settings['tenant']}/oauth2/v2.0/token": self.entra,
                  "/metadata/identity/oauth2/token": self.imds, "/msi/token": self.app_service}
        if request.path not in routes:
            raise Refusal(404, "<html>no such page</html>")
        if self.hit("refuse_login"):
            raise Refusal(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1"})
        return routes[request.path](request)

    # --- logins ---

    def granted(self, who):
        return {"token_type": "Bearer", "expires_in": self.token_seconds, "ext_expires_in": self.token_seconds,
                "access_token": self.tokens.grant(who, self.token_seconds)}

    def entra(self, request):
        form = request.form()
        wanted = {"grant_type": "client_credentials", "client_id": self.settings["client"], "scope": "https://127.0.0.1/.default"}
        if any(form.get(name) != value for name, value in wanted.items()):
            raise Refusal(400, {"error": "invalid_request", "error_description": "AADSTS900144: The request body is wrong."})
        if form.get("client_secret") == self.settings["secret"]:
            return self.granted("secret")
        if form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            if form["client_assertion"] == (self.folder / "federated").read_text().strip():
                return self.granted("federated")
            if self.is_certificate(form["client_assertion"]):
                return self.granted("certificate")
        raise Refusal(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1"})

    def is_certificate(self, assertion):
        certificate = self.settings["certificate"].encode()
        public = openssl("x509", "-pubkey", "-noout", input=certificate).decode()
        thumbprint = hashlib.sha1(openssl("x509", "-outform", "DER", input=certificate)).digest()
        try:
            header, claims = read_assertion(assertion, public)
            check_times(claims, 600)
        except ValueError:
            return False
        audience = f"{self.url}/authority/{self.settings['tenant']}/oauth2/v2.0/token"
        client = self.settings["client"]
        return (header.get("x5t"), claims["iss"], claims["sub"], claims["aud"]) == (encode64url(thumbprint), client, client, audience)

    def imds(self, request):
        if request.headers.get("Metadata") != "true":
            raise Refusal(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
        if self.hit("identity_missing"):
            raise Refusal(400, {"error": "invalid_request", "error_description": "Identity not found"})
        if self.hit("identity_upgrading"):
            raise Refusal(410, {"error": "gone"})
        if (request.query.get("api-version"), request.query.get("resource")) != ("2018-02-01", "https://127.0.0.1"):
            raise Refusal(400, {"error": "invalid_resource"})
        grant = self.granted(request.query.get("client_id", "system"))
        return {**grant, "expires_in": str(grant["expires_in"]), "expires_on": str(int(time.time()) + grant["expires_in"])}

    def app_service(self, request):
        if request.headers.get("X-IDENTITY-HEADER") != "identity-secret" or request.query.get("api-version") != "2019-08-01":
            raise Refusal(401, {"statusCode": 401, "message": "no"})
        grant = self.granted("app-service")
        return {"access_token": grant["access_token"], "expires_on": str(int(time.time()) + grant["expires_in"]), "token_type": "Bearer"}

    # --- the vault ---

    def challenged(self):
        host = "vault.evil.test" if self.hit("evil_challenge") else "127.0.0.1"
        challenge = CHALLENGE.format(tenant=self.settings["tenant"], host=host)
        if self.hit("no_challenge"):
            challenge = "Basic realm=x"
        return refusal(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.", WWW_Authenticate=challenge)

    def vault(self, request):
        who = self.tokens.who(request.headers.get("Authorization"))
        if who is None or self.hit("refuse_token"):
            raise self.challenged()
        self.count(f"who {who}")
        if self.hit("throttle"):
            raise refusal(429, "Throttled", "Request was not processed because too many requests were received.", Retry_After="3")
        for fault, status in (("unavailable", 503), ("internal", 500)):
            if self.hit(fault):
                raise refusal(status, "InternalServerError", "An internal error has occurred.", Retry_After="2")
        if self.hit("html"):
            return "<html><title>Sign in to the network</title></html>"
        match = PATH.fullmatch(request.path)
        if not match or "api-version" not in request.query:
            raise refusal(400, "BadParameter", "api-version must be specified")
        with self.lock:
            return self.dispatch(request, *match.groups())

    def dispatch(self, request, name, second, operation):
        if name is None:
            return self.page(request, [{"kid": f"{self.url}/keys/{key}", "attributes": versions[-1].attributes}
                                       for key, versions in sorted(self.keys.items())])
        versions = self.keys.get(name.lower())
        if versions is None:
            raise refusal(404, "KeyNotFound", f"A key with (name/id) {name} was not found in this key vault.")
        if second == "versions":
            return self.page(request, [{"kid": version.kid, "attributes": version.attributes} for version in versions])
        if second == "rotate":
            bundle = self.add_version(name).bundle()
            bundle["key"]["kid"] = self.kid_said(bundle["key"]["kid"])
            return bundle
        if second in ("wrapkey", "unwrapkey") and operation is None:
            second, operation = None, second
        version = versions[-1] if second is None else next((v for v in versions if v.kid.endswith("/" + second)), None)
        if version is None:
            raise refusal(404, "KeyNotFound", f"A key with (name/id) {name}/{second} was not found in this key vault.")
        return self.operate(request.json(), version, operation) if operation else version.bundle()

    def page(self, request, items):
        start = int(request.query.get("$skiptoken", 0))
        more = start + PAGE < len(items)
        host = "https://elsewhere.test" if self.hit("other_host") else self.url
        link = f"{host}{request.path}?api-version=7.4&$skiptoken={start + PAGE}"
        return {"value": items[start:start + PAGE], "nextLink": link if more else None}

    def operate(self, body, version, operation):
        self.count(operation)
        try:
            value = decode64url(body["value"])
        except (ValueError, KeyError) as error:
            raise refusal(400, "BadParameter", "The parameter is incorrect.\r\n") from error
        if body.get("alg") != version.algorithm:
            raise refusal(400, "BadParameter", f"Key and signing key type mismatch: {body.get('alg')}.")
        if operation == "unwrapkey":
            version.check_state()  # wrapping with a disabled key is not refused, as with the real service
        result = version.wrap(value) if operation == "wrapkey" else version.unwrap(value)
        if result is None:
            raise refusal(400, "BadParameter", "The parameter is incorrect.\r\n")
        if self.hit("flip"):
            result = bytes([result[0] ^ 1]) + result[1:]
        return {"kid": self.kid_said(version.kid), "value": encode64url(result)}

    def kid_said(self, kid):
        return kid.replace("/app/", "/other/") if self.hit("lie_kid") else kid


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    serve(AzureVault, sys.argv[1], Path(sys.argv[2]))
