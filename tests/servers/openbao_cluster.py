# SPDX-License-Identifier: Apache-2.0
"""Three OpenBao nodes with one raft store: one is active, two stand by, and one of those takes over when it goes."""
import json

import rest
from openbao import KEYS, MANAGE_POLICY, OpenBao
from process import Failed, Server, free_port, wait_until

HEALTHY = (200, 429)  # active, standby


class Node(OpenBao):
    """One of them: no certificates, no logins, and what is in it is the cluster's affair."""

    verbs = ()

    def __init__(self, number):
        super().__init__()
        self.name = f"openbao-node-{number}"

    def prepare(self):
        self.port, cluster = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        (self.folder / "data").mkdir()
        (self.folder / "bao.hcl").write_text(f"""
storage "raft" {{
  path = {json.dumps(str(self.folder / "data"))}
  node_id = "{self.name}"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_disable = true
}}
api_addr = "{self.address}"
cluster_addr = "https://127.0.0.1:{cluster}"
""")

    def fill(self):
        pass

    def health(self):
        return rest.call("GET", f"{self.address}/v1/sys/health", seconds=5)[0]

    def is_ready(self):
        status = self.health()
        if self.unseal_key is None:
            return status == 501
        if status == 503:
            self.try_to_unseal()
        return status in HEALTHY

    def try_to_unseal(self):
        try:
            self.unseal()
        except Failed:
            pass  # it joins the cluster still

    def is_active(self):
        return self.is_running() and self.health() == 200


class OpenBaoCluster(Server):
    name = "openbao-cluster"
    program = OpenBao.program
    verbs = ("kill_active", "pause_active", "resume_all", "start_all", "stop_all", "active", "describe")

    def __init__(self):
        super().__init__()
        self.nodes = [Node(number) for number in (1, 2, 3)]
        self.opened = []

    def start(self):
        self.opened = []
        for node in self.nodes:
            self.opened.append(node.__enter__())

    def close(self):
        for node in self.opened:
            node.__exit__()
        super().close()

    def fill(self):
        first, *others = self.nodes
        made = first.api("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token=None)
        for node in self.nodes:
            node.unseal_key, node.root = made["keys_base64"][0], made["root_token"]
        self.root = first.root
        first.unseal()
        wait_until(first.is_active, "the first node active")
        # Who may vote, and so take over, is settled a second after it has joined.
        first.api("POST", "sys/storage/raft/autopilot/configuration", {"server_stabilization_time": "1s"})
        for node in others:
            node.api("POST", "sys/storage/raft/join", {"leader_api_addr": first.address}, token=None)
            wait_until(node.is_ready, f"{node.name} standing by")
        wait_until(self.all_vote, "three nodes that vote")
        first.api("POST", "sys/mounts/transit", {"type": "transit"})
        first.api("POST", "transit/keys/bulla", KEYS["bulla"])
        first.api("PUT", "sys/policies/acl/bulla-manage", {"policy": MANAGE_POLICY})
        self.token = first.make_token("bulla-manage", "1h")

    def all_vote(self):
        answer = self.nodes[0].api("GET", "sys/storage/raft/configuration")
        return [server["voter"] for server in answer["data"]["config"]["servers"]] == [True] * len(self.nodes)

    def find_active(self):
        return next((node for node in self.nodes if self.ask(node.is_active)), None)

    @staticmethod
    def ask(question):
        try:
            return question()
        except OSError:
            return False

    def describe(self):
        active = self.find_active() or self.nodes[0]
        standby = [node.address for node in self.nodes if node is not active]
        return {"addr": active.address, "standby_1_addr": standby[0], "standby_2_addr": standby[1],
                "addresses": [active.address, *standby], "mount": "transit", "key": "bulla", "token": self.token,
                "root_token": self.root}

    # -- verbs

    def active(self):
        """The address of the active node, when there is one again."""
        wait_until(self.find_active, "an active node", 60)
        return self.find_active().address

    def active_node(self):
        address = self.active()
        return next(node for node in self.nodes if node.address == address)

    def kill_active(self):
        """A crash; the address of the node that has taken over."""
        self.active_node().kill()
        return self.active()

    def pause_active(self):
        """It hangs, and another takes over meanwhile; the address of the one that hangs."""
        old = self.active_node()
        old.pause()
        return old.address

    def resume_all(self):
        for node in self.nodes:
            if node.is_running():
                node.resume()
        return self.active()

    def start_all(self):
        for node in self.nodes:
            if not node.is_running():
                node.start()
        return self.active()

    def stop_all(self):
        for node in self.nodes:
            node.stop()
