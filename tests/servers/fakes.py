# SPDX-License-Identifier: Apache-2.0
"""The fakes of key stores that have no real server to test against, as servers that run.py starts."""
import json
import secrets
import sys

import aws_identity
import rest
from fake_base import openssl
from gcp_kms_fake import ACCOUNTS, AUDIENCE, DOMAIN, RING
from process import HERE, Failed, Server, free_port

TENANT = "7f5f9bd8-2b0e-4a8e-9d5c-1f3a52f1c1aa"


class FakeServer(Server):
    verbs = Server.verbs + ("fake", "expect")
    script = ""

    def __init__(self):
        super().__init__()
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def command(self):
        return [sys.executable, HERE / self.script, self.port, self.folder]

    def is_ready(self):
        return rest.call("GET", f"{self.address}/_fake")[0] == 200

    def fake(self, *settings):
        """fake throttle=2 wrong_crc=1: faults for the next requests; fake alone: what was counted."""
        body = {}
        for setting in settings:
            name, _, value = setting.partition("=")
            body[name] = int(value) if value.isdigit() else value.replace(",", " ")
        status, answer = rest.call("POST", f"{self.address}/_fake", body)
        if status != 200:
            raise Failed(f"{self.name}: {answer}")
        return answer

    def expect(self, *counts):
        """expect logins=1 encrypt=3: fails when a counter says something else."""
        seen = self.fake()
        for count in counts:
            name, _, value = count.rpartition("=")
            if seen.get(name.replace("+", " "), 0) != int(value):
                raise Failed(f"{name} is {seen.get(name.replace('+', ' '), 0)}, not {value}")

    def write(self, name, content, mode=0o600):
        path = self.folder / name
        path.touch(mode=mode)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)


class GcpKms(FakeServer):
    name = "gcp"
    script = "gcp_kms_fake.py"

    def prepare(self):
        (self.folder / "seed").write_bytes(secrets.token_bytes(32))
        accounts, self.files = {}, {}
        for who in ("app", "user-only", "nobody"):
            email = f"{who}@bulla-test.iam.gserviceaccount.com"
            key = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").decode()
            accounts[email] = {"who": who, "key_id": f"{who}-key", "public_key": openssl("pkey", "-pubout", input=key.encode()).decode()}
            self.files[who] = self.write(f"{who}.json", {
                "type": "service_account", "project_id": "bulla-test", "private_key_id": f"{who}-key", "private_key": key,
                "client_email": email, "token_uri": f"{self.address}/token"})
        self.write("accounts.json", accounts)
        self.files["user"] = self.write("user.json", {
            "type": "authorized_user", "client_id": "user-client", "client_secret": "user-secret",
            "refresh_token": "1//user&refresh", "token_uri": f"{self.address}/token", "quota_project_id": "quota-of-file"})
        self.write_external()
        self.write_impersonated()

    def impersonation_url(self, account):
        return f"{self.address}/v1/{ACCOUNTS}/{account}@{DOMAIN}:generateAccessToken"

    def write_external(self):
        external = {"type": "external_account", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "audience": AUDIENCE, "token_url": f"{self.address}/sts"}
        impersonated = {**external, "service_account_impersonation_url": self.impersonation_url("near")}
        sources = {"file": {"file": self.write("subject", "subject-from-file\n")},
                   "url": {"url": f"{self.address}/subject", "headers": {"X-Subject": "please"},
                           "format": {"type": "json", "subject_token_field_name": "id_token"}},
                   "aws": {"environment_id": "aws1", "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
                           "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
                           "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
                           "regional_cred_verification_url": f"https://sts.{{region}}.amazonaws.com?{aws_identity.QUERY}"}}
        for name, source in sources.items():
            kind = {"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request"} if name == "aws" else {}
            base = impersonated if name == "url" else external
            self.files[f"external_{name}"] = self.write(f"external_{name}.json", {**base, **kind, "credential_source": source})

    def write_impersonated(self):
        """From each kind of credentials; `nobody` may impersonate nobody."""
        far = [f"first@{DOMAIN}", f"{ACCOUNTS}/second@{DOMAIN}"]
        for source, account, delegates in (("user", "far", far), ("app", "near", []), ("external_aws", "near", None),
                                           ("nobody", "near", [])):
            self.files[f"impersonated_{source}"] = self.write(f"impersonated_{source}.json", {
                "type": "impersonated_service_account", "service_account_impersonation_url": self.impersonation_url(account),
                "delegates": delegates, "source_credentials": json.loads((self.folder / f"{source}.json").read_text())})

    def describe(self):
        facts = {"addr": self.address, "ring": RING, "key": f"{RING}/cryptoKeys/app", "other_key": f"{RING}/cryptoKeys/other",
                 "credentials": self.files["app"], "metadata_host": f"127.0.0.1:{self.port}"}
        for key_id, (secret, token) in aws_identity.KEYS.items():
            kind = key_id.removeprefix("AKIABULLA").removeprefix("ASIABULLA").lower()
            facts |= {f"aws_{kind}_id": key_id, f"aws_{kind}_secret": secret, f"aws_{kind}_token": token or ""}
        return {**facts, **{f"{who.replace('-', '_')}_credentials": path for who, path in self.files.items()}}


class AzureFake(FakeServer):
    name = "azure-fake"
    script = "azure_fake.py"

    def prepare(self):
        certificate = openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bulla test", "-days", "2", "-keyout",
                              str(self.folder / "client.key"), "-out", str(self.folder / "client.crt"))
        del certificate
        pem = (self.folder / "client.crt").read_text()
        self.write("client.pem", pem + (self.folder / "client.key").read_text())
        self.write("federated", "a.federated-token.b\n")
        self.write("settings.json", {"tenant": TENANT, "client": "app-id", "secret": "s3cret&=+ \u00e4", "certificate": pem})
        for name in ("rsa", "rsa2"):
            (self.folder / f"{name}.pem").write_bytes(openssl("genrsa", "2048"))
        (self.folder / "seed").write_bytes(secrets.token_bytes(32))

    def describe(self):
        vault = self.address
        return {"addr": vault, "authority": f"{self.address}/authority", "tenant": TENANT, "client_id": "app-id",
                "client_secret": "s3cret&=+ \u00e4", "certificate": str(self.folder / "client.pem"),
                "federated_token_file": str(self.folder / "federated"), "identity_endpoint": f"{self.address}/msi/token",
                "identity_header": "identity-secret", "imds": self.address, "key": f"{vault}/keys/app",
                "other_key": f"{vault}/keys/other", "hsm_key": f"{vault}/keys/hsm", "other_hsm_key": f"{vault}/keys/other-hsm"}
