# SPDX-License-Identifier: Apache-2.0
"""Identities of AWS as Google's security token service takes them: a GetCallerIdentity that is signed and not sent. And the
metadata service of the machine that has such an identity."""
import hmac
import json
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

import sigv4

QUERY = "Action=GetCallerIdentity&Version=2011-06-15"
ZONE = "eu-central-1-ham-1a"  # a local one: its region is not just a letter away
ROLE = "bulla-role"
# Id: secret and session token. Blanks excepted, everything that may be in them is.
KEYS = {"AKIABULLALASTING": ("s3cret/lasting+wJalrXUtnFEMI=", None),
        "ASIABULLASESSION": ("s3cret/session+K7MDENGbPxRfi", "s3cret-token/of+a&session==\"%41\\"),
        "ASIABULLAMACHINE": ("s3cret/machine+CYEXAMPLEKEYx", "s3cret-token/of/the+machine==")}
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/((\d{8})/([a-z0-9-]+)/sts/aws4_request), "
                           r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")


def check(fact, what):
    if not fact:
        raise ValueError(what)


def region_of(token, audience):
    """The region whose STS knows the caller, when the token is one for `audience`; ValueError saying what is wrong."""
    check(re.fullmatch(r"[A-Za-z0-9._~%/-]+", token), "the token is not URL-encoded")
    request = json.loads(unquote(token, errors="strict"))
    check(set(request) == {"url", "method", "headers"} and request["method"] == "POST", "the token is no request")
    headers = {header["key"].lower(): header["value"] for header in request["headers"]}
    check(len(headers) == len(request["headers"]), "a header comes twice")
    parts = AUTHORIZATION.fullmatch(headers.pop("authorization", ""))
    check(parts, "there is no authorization")
    key_id, scope, day, region, names, proof = parts.groups()
    check(key_id in KEYS, "there is no such access key")
    secret, session = KEYS[key_id]
    wanted = {"host": f"sts.{region}.amazonaws.com", "x-amz-date": headers.get("x-amz-date", ""),
              "x-goog-cloud-target-resource": audience, **({"x-amz-security-token": session} if session else {})}
    check(headers == wanted, "headers are missing, wrong or too many")
    check(names == ";".join(sorted(wanted)), "headers are not signed")
    check(request["url"] in (f"https://{wanted['host']}{path}?{QUERY}" for path in ("", "/")), "the url is not of STS")
    then = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    check(headers["x-amz-date"].startswith(day), "the day is not the one of the scope")
    check(abs(datetime.now(timezone.utc) - then) < timedelta(minutes=5), "the request is too old")
    check(hmac.compare_digest(proof, sigv4.signature(secret, scope, "POST", QUERY, wanted)), "the signature is wrong")
    return region


class Machine:
    """What the metadata service of EC2 says at `path`, or None. It knows IMDSv2 alone."""

    token = "imds-token/of=the-machine"

    def answer(self, request):
        if (request.method, request.path) == ("PUT", "/latest/api/token"):
            return self.token if request.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit() else None
        if request.method != "GET" or request.headers.get("X-aws-ec2-metadata-token") != self.token:
            return None
        key_id = "ASIABULLAMACHINE"
        secret, session = KEYS[key_id]
        roles = "/latest/meta-data/iam/security-credentials/"
        return {"/latest/meta-data/placement/availability-zone": ZONE, roles: f"{ROLE}\n", f"{roles}{ROLE}": {
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": key_id,
            "SecretAccessKey": secret, "Token": session, "Expiration": "2099-01-01T00:00:00Z"}}.get(request.path)
