# SPDX-License-Identifier: Apache-2.0
"""One HTTP request with JSON both ways, over TLS with a given authority where the address says so."""
import json
import ssl
import urllib.error
import urllib.request

SECONDS = 20


def call(method, url, body=None, headers=None, ca=None, client=None, seconds=SECONDS):
    """(status, decoded body). Statuses are answers, not exceptions; only a missing answer is an OSError."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data is not None and not request.has_header("Content-type"):
        request.add_header("Content-Type", "application/json")
    context = None
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=ca)
        if client:
            context.load_cert_chain(*client)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=seconds) as answer:
            return answer.status, decoded(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, decoded(refusal.read())


def decoded(text):
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")
