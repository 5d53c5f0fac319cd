# SPDX-License-Identifier: Apache-2.0
"""toxiproxy in front of a server: latency, resets, black holes, slow bodies, and nobody there.

    with proxy(server) as front:
        front.toxic("latency", latency=1000, jitter=100)
        front.clear()
"""
from urllib.parse import urlsplit

import rest
from process import Failed, Server, free_port, installed

NETWORK = "127.0.0.1"


class Proxy(Server):
    """A front for each address of a server (every fact whose name ends in "addr"), with the same faults for all."""

    name = "toxiproxy"
    program = ("bin", "toxiproxy-server")
    verbs = ("toxic", "clear", "down", "up", "describe")

    def __init__(self, facts):
        super().__init__()
        self.behind = {key: value for key, value in facts.items() if key.endswith("addr")}
        self.fronts = {}
        self.toxics = 0

    def prepare(self):
        self.port = free_port()
        self.api = f"http://{NETWORK}:{self.port}"

    def command(self):
        return [installed(*self.program), "-host", NETWORK, "-port", self.port]

    def is_ready(self):
        return rest.call("GET", f"{self.api}/version", seconds=5)[0] == 200

    def fill(self):
        for key, address in self.behind.items():
            parts = urlsplit(address)
            answer = self.ask("POST", "proxies", {"name": key, "enabled": True, "listen": f"{NETWORK}:0",
                                                  "upstream": parts.netloc})
            self.fronts[key] = f"{parts.scheme}://{answer['listen']}"

    def describe(self):
        return dict(self.fronts)

    def ask(self, method, path, body=None):
        # Its API refuses what looks like a browser.
        status, answer = rest.call(method, f"{self.api}/{path}", body, {"User-Agent": "bulla-tests"})
        if status not in (200, 201, 204):
            raise Failed(f"toxiproxy: {method} {path}: {status} {answer}")
        return answer

    def toxic(self, kind, *words, stream="downstream", toxicity=1.0, **attributes):
        """latency(latency, jitter), bandwidth(rate), slow_close(delay), timeout(timeout; 0 upstream: a black hole),
        reset_peer(timeout), slicer(average_size, size_variation, delay), limit_data(bytes). As a verb:
        key=value words."""
        for word in words:
            key, _, value = word.partition("=")
            if key == "stream":
                stream = value
            elif key == "toxicity":
                toxicity = float(value)
            else:
                attributes[key] = int(value)
        self.toxics += 1
        for key in self.fronts:
            self.ask("POST", f"proxies/{key}/toxics", {"name": f"{kind}-{self.toxics}", "type": kind, "stream": stream,
                                                       "toxicity": toxicity, "attributes": attributes})

    def clear(self):
        """No faults any more, and everybody is there."""
        self.ask("POST", "reset")

    def down(self):
        """Connections end and new ones are refused."""
        for key in self.fronts:
            self.ask("POST", f"proxies/{key}", {"enabled": False})

    def up(self):
        for key in self.fronts:
            self.ask("POST", f"proxies/{key}", {"enabled": True})


def proxy(server):
    return Proxy(server.describe())
