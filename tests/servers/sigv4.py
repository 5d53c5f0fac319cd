# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4 for one POST to "/" of a service, so that the tests can ask as an administrator would."""
import datetime
import hashlib
import hmac
from urllib.parse import urlsplit


def headers(address, region, service, key_id, secret, body, more=None):
    """The headers of a signed request; more: further headers, which are signed too."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    sent = {"host": urlsplit(address).netloc, "x-amz-date": now, **(more or {})}
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + secret.encode()
    for part in (*scope.split("/"), text):
        signature = hmac.new(key, part.encode(), hashlib.sha256)
        key = signature.digest()
    sent["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, "
                             f"Signature={signature.hexdigest()}")
    return sent
