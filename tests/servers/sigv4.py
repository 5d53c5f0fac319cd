# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4, after its documentation and with nothing of Bulla's: to ask as an administrator would, and to
check what others have signed."""
import datetime
import hashlib
import hmac
from urllib.parse import urlsplit


def signature(secret, scope, method, query, headers, body=b""):
    """Of a request for the path "/"; `headers` are the signed ones, their names in lower case."""
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    request = f"{method}\n/\n{query}\n{lines}\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def headers(address, region, service, key_id, secret, body, more=None):
    """The headers of a signed POST; more: further headers, which are signed too."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    sent = {"host": urlsplit(address).netloc, "x-amz-date": now, **(more or {})}
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    proof = signature(secret, scope, "POST", "", sent, body)
    names = ";".join(sorted(sent))
    sent["authorization"] = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={proof}"
    return sent
