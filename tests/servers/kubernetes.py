# SPDX-License-Identifier: Apache-2.0
"""The one call of the Kubernetes API that a login needs: TokenReview, for tokens that it was told of."""
import http.server
import json
import threading


class TokenReview:
    def __init__(self):
        self.users = {}
        review = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 30

            def do_POST(self):
                size = min(int(self.headers.get("Content-Length", 0)), 1 << 20)
                token = json.loads(self.rfile.read(size))["spec"]["token"]
                answer = json.dumps(review.answer(token)).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def accept(self, token, name, uid):
        self.users[token] = {"username": name, "uid": uid, "groups": ["system:serviceaccounts"]}

    def answer(self, token):
        user = self.users.get(token)
        status = {"authenticated": True, "user": user} if user else {"authenticated": False, "error": "unknown token"}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
