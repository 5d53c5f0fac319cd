# SPDX-License-Identifier: Apache-2.0
"""OpenBao with a file store and one unseal key: keys, policies and every way to log in, over HTTP and good and bad TLS.

It can be sealed, stopped, restarted (it comes back unsealed, as with auto-unseal), killed and paused in mid-flight.
"""
import json

import jwt
import rest
import tls
from kubernetes import TokenReview
from process import Failed, Server, free_port, installed, wait_until

# Listeners beside the plain one: who each claims to be, and what is special about it.
LISTENERS = {
    "tls": ("server", ""),
    "mtls": ("server", "tls_require_and_verify_client_cert = true"),
    "tls12": ("server", 'tls_max_version = "tls12"'),
    "expired": ("expired", ""),
    "early": ("early", ""),
    "wrong_host": ("wrong-host", ""),
    "self_signed": ("self-signed", ""),
}

# The least that Bulla needs to use the keys whose names begin with "bulla", and what it needs to look after them too.
USE_POLICY = """
path "transit/encrypt/bulla*"             { capabilities = ["update"] }
path "transit/decrypt/bulla*"             { capabilities = ["update"] }
path "transit/rewrap/bulla*"              { capabilities = ["update"] }
path "transit/datakey/+/bulla*"           { capabilities = ["update"] }
path "transit/keys/bulla*"                { capabilities = ["read"] }
"""
MANAGE_POLICY = USE_POLICY.replace('["read"]', '["create", "read", "update", "delete"]') + """
path "transit/keys"                       { capabilities = ["list"] }
path "transit/keys/+/rotate"              { capabilities = ["update"] }
path "transit/keys/+/config"              { capabilities = ["update"] }
"""

KEYS = {
    "bulla": {"type": "aes256-gcm96"},
    "bulla-chacha": {"type": "chacha20-poly1305"},
    "bulla-derived": {"type": "aes256-gcm96", "derived": True},
    "bulla-rsa": {"type": "rsa-3072"},
    "forbidden": {"type": "aes256-gcm96"},
}


class OpenBao(Server):
    name = "openbao"
    program = ("bin", "bao")
    verbs = Server.verbs + ("seal", "unseal", "rate_limit", "revoke", "request")

    def __init__(self):
        super().__init__()
        self.unseal_key = self.root = self.reviews = None
        self.facts = {}

    # -- the process

    def prepare(self):
        self.unseal_key = None
        self.certificates = tls.make(self.folder / "tls")
        self.signer = jwt.Signer(self.folder)
        self.reviews = TokenReview()
        self.ports = {name: free_port() for name in ("plain", "cluster", *LISTENERS)}
        self.address = f"http://127.0.0.1:{self.ports['plain']}"
        (self.folder / "data").mkdir()
        self.write_configuration()

    def write_configuration(self):
        # json.dumps quotes as HCL does.
        listeners = [f'listener "tcp" {{\n  address = "127.0.0.1:{self.ports["plain"]}"\n  tls_disable = true\n}}']
        for name, (certificate, more) in LISTENERS.items():
            listeners.append(f"""listener "tcp" {{
  address = "127.0.0.1:{self.ports[name]}"
  tls_cert_file = {json.dumps(str(self.certificates / certificate))[:-1]}.crt"
  tls_key_file = {json.dumps(str(self.certificates / certificate))[:-1]}.key"
  tls_client_ca_file = {json.dumps(str(self.certificates / "ca.crt"))}
  {more}
}}""")
        (self.folder / "bao.hcl").write_text("\n".join([
            f'storage "file" {{\n  path = {json.dumps(str(self.folder / "data"))}\n}}', *listeners,
            f'api_addr = "{self.address}"', f'cluster_addr = "https://127.0.0.1:{self.ports["cluster"]}"',
            'log_level = "info"', ""]))

    def command(self):
        return [installed(*self.program), "server", f"-config={self.folder / 'bao.hcl'}"]

    def is_ready(self):
        """It answers; and once it has been initialised, it is unsealed and active."""
        status, _ = rest.call("GET", f"{self.address}/v1/sys/health", seconds=5)
        if self.unseal_key is None:
            return status == 501
        if status == 503:
            self.unseal()
        return status == 200

    def close(self):
        super().close()
        if self.reviews:
            self.reviews.close()

    # -- what is in it

    def fill(self):
        first = self.api("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token=None)
        self.unseal_key, self.root = first["keys_base64"][0], first["root_token"]
        self.unseal()
        wait_until(self.is_ready, f"{self.name} after its first unseal")
        self.make_keys()
        self.make_tokens()
        self.make_logins()
        self.make_namespace()

    def make_keys(self):
        self.api("POST", "sys/mounts/transit", {"type": "transit"})
        self.api("POST", "sys/mounts/team-a/transit", {"type": "transit"})
        for name, options in KEYS.items():
            self.api("POST", f"transit/keys/{name}", options)
        self.api("POST", "team-a/transit/keys/bulla", KEYS["bulla"])

    def make_tokens(self):
        team = USE_POLICY.replace('"transit/', '"team-a/transit/')
        self.api("PUT", "sys/policies/acl/bulla-use", {"policy": USE_POLICY + team})
        self.api("PUT", "sys/policies/acl/bulla-manage", {"policy": MANAGE_POLICY})
        self.facts["token"] = self.make_token("bulla-manage", "1h")
        self.facts["use_token"] = self.make_token("bulla-use", "1h")
        self.facts["no_token"] = self.make_token("default", "1h")

    def make_token(self, policy, ttl):
        answer = self.api("POST", "auth/token/create", {"policies": [policy], "ttl": ttl, "no_default_policy": False})
        return answer["auth"]["client_token"]

    def make_logins(self):
        role = {"token_policies": ["bulla-manage"], "token_ttl": "1h", "token_max_ttl": "24h"}
        # Lives 4 seconds, can be renewed up to 12.
        brief = {**role, "token_ttl": "4s", "token_max_ttl": "12s"}
        for method in ("approle", "userpass", "jwt", "kubernetes", "cert"):
            self.api("POST", f"sys/auth/{method}", {"type": method})
        self.make_approle("bulla", "", role)
        self.make_approle("bulla-brief", "brief_", brief)
        self.api("POST", "auth/userpass/users/bulla", {**role, "password": "a password of the tests"})
        self.facts.update(username="bulla", password="a password of the tests")
        self.make_jwt(role)
        self.make_kubernetes(role)
        certificate = (self.certificates / "ca.crt").read_text()
        self.api("POST", "auth/cert/certs/bulla", {**role, "certificate": certificate,
                                                   "allowed_common_names": ["bulla-client"]})

    def make_approle(self, name, prefix, role):
        self.api("POST", f"auth/approle/role/{name}", role)
        self.facts[f"{prefix}role_id"] = self.api("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        secret = self.api("POST", f"auth/approle/role/{name}/secret-id", {})
        self.facts[f"{prefix}secret_id"] = secret["data"]["secret_id"]

    def make_jwt(self, role):
        self.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [self.signer.public], "bound_issuer": "tests"})
        self.api("POST", "auth/jwt/role/bulla", {**role, "role_type": "jwt", "user_claim": "sub",
                                                 "bound_audiences": ["bulla"], "bound_subject": "workload"})
        token = self.signer.sign({"iss": "tests", "aud": "bulla", "sub": "workload"}, seconds=24 * 3600)
        self.facts["jwt_file"] = self.write("jwt", token)

    def make_kubernetes(self, role):
        account = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:bulla",
                   "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "bulla", "uid": "5f2a"}}}
        token = self.signer.sign(account, seconds=24 * 3600)
        self.reviews.accept(token, "system:serviceaccount:default:bulla", "5f2a")
        self.api("POST", "auth/kubernetes/config", {
            "kubernetes_host": self.reviews.address, "disable_local_ca_jwt": True, "token_reviewer_jwt": token,
            "kubernetes_ca_cert": (self.certificates / "ca.crt").read_text()})
        self.api("POST", "auth/kubernetes/role/bulla", {
            **role, "bound_service_account_names": ["bulla"], "bound_service_account_namespaces": ["default"]})
        self.facts["kubernetes_jwt_file"] = self.write("kubernetes.jwt", token)

    def make_namespace(self):
        self.api("POST", "sys/namespaces/team-b", {})
        self.api("POST", "sys/mounts/transit", {"type": "transit"}, namespace="team-b")
        self.api("POST", "transit/keys/bulla", KEYS["bulla"], namespace="team-b")
        self.api("PUT", "sys/policies/acl/bulla-use", {"policy": USE_POLICY}, namespace="team-b")
        answer = self.api("POST", "auth/token/create", {"policies": ["bulla-use"], "ttl": "1h"}, namespace="team-b")
        self.facts.update(namespace="team-b", namespace_token=answer["auth"]["client_token"])

    def write(self, name, text):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    def describe(self):
        addresses = {f"{name}_addr": f"https://127.0.0.1:{self.ports[name]}" for name in LISTENERS}
        return {"addr": self.address, **addresses, **tls.files(self.certificates),
                "key": "bulla", "chacha_key": "bulla-chacha", "derived_key": "bulla-derived", "rsa_key": "bulla-rsa",
                "forbidden_key": "forbidden", "mount": "transit", "other_mount": "team-a/transit", "role": "bulla",
                "root_token": self.root, "unseal_key": self.unseal_key, **self.facts}

    # -- verbs

    def api(self, method, path, body=None, token="root", namespace=None):
        """A request as root (or as nobody, or with a token); anything but success is Failed."""
        headers = {"X-Vault-Token": self.root if token == "root" else token} if token else {}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        status, answer = rest.call(method, f"{self.address}/v1/{path}", body, headers)
        if status not in (200, 204):
            raise Failed(f"openbao: {method} {path}: {status} {answer}")
        return answer

    def request(self, method, path, body=None):
        return self.api(method, path, json.loads(body) if body else None)

    def seal(self):
        self.api("PUT", "sys/seal")

    def unseal(self):
        self.api("PUT", "sys/unseal", {"key": self.unseal_key}, token=None)

    def rate_limit(self, per_second="0"):
        """Beyond so many requests a second to transit it answers 429; 0 lifts the limit."""
        if float(per_second) == 0:
            self.api("DELETE", "sys/quotas/rate-limit/tests")
        else:
            self.api("POST", "sys/quotas/rate-limit/tests", {"path": "transit", "rate": float(per_second)})

    def revoke(self, token):
        """As if an administrator took a token back in mid-flight."""
        self.api("POST", "auth/token/revoke", {"token": token})
