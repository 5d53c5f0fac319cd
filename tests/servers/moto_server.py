# SPDX-License-Identifier: Apache-2.0
"""moto as AWS KMS, STS and IAM: signatures are checked, a user has only the rights that its policy gives.

It forgets everything when it ends, so a restart makes new keys and new credentials."""
import json
import os
import re
from pathlib import Path
from urllib.parse import urlencode

import rest
import sigv4
from process import Failed, Server, free_port, installed

REGION = "eu-central-1"
ACCOUNT = "123456789012"

# What using a key needs, and what looking after it needs on top. A real policy names the key's ARN as resource; moto
# knows only "*" for anything but S3.
USE = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt",
       "kms:DescribeKey"]
MANAGE = USE + ["kms:CreateKey", "kms:CreateAlias", "kms:ListKeys", "kms:ListAliases", "kms:RotateKeyOnDemand",
                "kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:EnableKey", "kms:DisableKey",
                "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:ListKeyRotations"]


def policy(actions):
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal):
    condition = {"StringEquals": {"sts:ExternalId": "bulla-external-id"}}
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Moto(Server):
    name = "moto"
    program = ("moto", "bin", "python")
    verbs = Server.verbs + ("kms", "refuse_credentials", "allow_credentials")

    def __init__(self):
        super().__init__()
        self.facts = {}

    def prepare(self):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        # Unsigned until the administrator is there.
        self.env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "inf", "MOTO_PORT": str(self.port)}

    def command(self):
        return [installed(*self.program), Path(__file__).with_name("moto_main.py"), "-H", "127.0.0.1", "-p", self.port]

    def is_ready(self):
        return rest.call("GET", f"{self.address}/moto-api/data.json", seconds=20)[0] == 200

    def restart(self):
        super().restart()
        self.fill()

    def fill(self):
        self.admin = None
        self.admin = self.make_user("admin", ["*"])
        rest.call("POST", f"{self.address}/moto-api/reset-auth", b"0")
        manager, user = self.make_user("manager", MANAGE), self.make_user("user", USE)
        nobody = self.make_user("nobody", ["kms:ListAliases"])
        self.facts = {"addr": self.address, "region": REGION, "account": ACCOUNT}
        for prefix, pair in (("", manager), ("use_", user), ("no_", nobody)):
            self.facts.update({f"{prefix}access_key_id": pair[0], f"{prefix}secret_access_key": pair[1]})
        self.make_role()
        self.make_keys()

    def make_user(self, name, actions):
        self.query("iam", Action="CreateUser", UserName=name)
        self.query("iam", Action="PutUserPolicy", UserName=name, PolicyName=name, PolicyDocument=policy(actions))
        answer = self.query("iam", Action="CreateAccessKey", UserName=name)
        return [re.search(f"<{field}>(.*?)</{field}>", answer).group(1) for field in ("AccessKeyId", "SecretAccessKey")]

    def make_role(self):
        """The manager may become the role bulla-role by way of the external id."""
        arn = f"arn:aws:iam::{ACCOUNT}:role/bulla-role"
        self.query("iam", Action="CreateRole", RoleName="bulla-role",
                   AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/manager"))
        self.query("iam", Action="PutRolePolicy", RoleName="bulla-role", PolicyName="manage", PolicyDocument=policy(MANAGE))
        assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        self.query("iam", Action="PutUserPolicy", UserName="manager", PolicyName="assume",
                   PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [assume]}))
        self.facts.update(role_arn=arn, external_id="bulla-external-id")

    def make_keys(self):
        for prefix, name in (("", "bulla"), ("other_", "other"), ("disabled_", "disabled")):
            arn = self.kms("CreateKey", json.dumps({"Description": name}))["KeyMetadata"]["Arn"]
            self.kms("CreateAlias", json.dumps({"AliasName": f"alias/{name}", "TargetKeyId": arn}))
            self.facts.update({f"{prefix}key_arn": arn, f"{prefix}key_id": arn.split("/")[1], f"{prefix}alias": f"alias/{name}"})
        self.kms("DisableKey", json.dumps({"KeyId": self.facts["disabled_key_id"]}))

    def describe(self):
        return dict(self.facts)

    def ask(self, service, body, more):
        body = body.encode()
        if self.admin:
            sent = sigv4.headers(self.address, REGION, service, *self.admin, body, more)
        else:  # the server takes the service from there all the same
            scope = f"Credential=none/20200101/{REGION}/{service}/aws4_request"
            sent = {**more, "authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}
        status, answer = rest.call("POST", f"{self.address}/", body, sent)
        if status != 200:
            raise Failed(f"moto: {service} {body.decode()}: {status} {answer}")
        return answer

    def query(self, service, **fields):
        return self.ask(service, urlencode({"Version": "2010-05-08", **fields}),
                        {"content-type": "application/x-www-form-urlencoded"})

    def kms(self, operation, body="{}"):
        """A call as administrator: kms DisableKey {"KeyId":"..."} (without spaces)."""
        return self.ask("kms", body, {"content-type": "application/x-amz-json-1.1",
                                      "x-amz-target": f"TrentService.{operation}"})

    def refuse_credentials(self):
        """The manager's access key does not exist any more."""
        self.query("iam", Action="DeleteAccessKey", UserName="manager", AccessKeyId=self.facts["access_key_id"])

    def allow_credentials(self):
        """A new one for the manager; describe says which."""
        answer = self.query("iam", Action="CreateAccessKey", UserName="manager")
        for fact, field in (("access_key_id", "AccessKeyId"), ("secret_access_key", "SecretAccessKey")):
            self.facts[fact] = re.search(f"<{field}>(.*?)</{field}>", answer).group(1)
