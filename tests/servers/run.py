#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts servers, runs a command that finds them in its environment, ends them all.

    run.py NAME... [--tls] [--proxy] -- COMMAND [ARGUMENT...]      run.py --list
    run.py control NAME VERB [ARGUMENT...]                 from inside COMMAND: seal, restart, pause ...

README.md beside this file says what each server offers.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import toxiproxy  # noqa: E402
from fakes import AzureFake, GcpKms  # noqa: E402
from moto_server import Moto  # noqa: E402
from openbao import OpenBao  # noqa: E402
from openbao_cluster import OpenBaoCluster  # noqa: E402
from process import Failed, Missing, exit_missing  # noqa: E402
from tls_front import TlsFront  # noqa: E402
from tokens import Kryoptic, SoftHsm  # noqa: E402

SERVERS = {kind.name: kind for kind in (OpenBao, OpenBaoCluster, Moto, SoftHsm, Kryoptic, AzureFake, GcpKms)}
LINE_LIMIT = 1 << 16


def environment(name, facts):
    """{"addr": 1} of openbao is BULLA_OPENBAO_ADDR=1."""
    def text(value):
        return ",".join(map(text, value)) if isinstance(value, list) else str(value)
    return {f"BULLA_{name}_{key}".upper().replace("-", "_"): text(value) for key, value in facts.items()}


class Control:
    """A socket that takes one line a connection, "NAME VERB ARGUMENT...", and answers "ok JSON" or "error TEXT"."""

    def __init__(self, servers, path):
        self.servers = servers
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            connection.settimeout(30)
            try:
                line = connection.makefile("r").readline(LINE_LIMIT)
                answer = "ok " + json.dumps(self.obey(*line.split()))
            except Exception as error:  # whatever it is, the test shall read it
                answer = f"error {type(error).__name__}: {error}".replace("\n", " ")
            try:
                connection.sendall(answer.encode() + b"\n")
            except OSError:
                pass

    def obey(self, name, verb, *arguments):
        server = self.servers.get(name)
        if not server:
            raise Failed(f"no server {name} here, but {', '.join(self.servers)}")
        verb = verb.replace("-", "_")
        if verb not in server.verbs:
            raise Failed(f"{name} knows no {verb}, but {', '.join(server.verbs)}")
        return getattr(server, verb)(*arguments)

    def close(self):
        self.listener.close()


def control(*words):
    path = os.environ.get("BULLA_SERVERS_CONTROL")
    if not path:
        sys.exit("run.py: BULLA_SERVERS_CONTROL is not set; this is for commands that run.py runs")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(180)
        connection.connect(path)
        connection.sendall(" ".join(words).encode() + b"\n")
        answer = connection.makefile("r").readline()
    word, _, rest = answer.strip().partition(" ")
    print(rest, file=sys.stdout if word == "ok" else sys.stderr)
    return 0 if word == "ok" else 1


def start(stack, names, options):
    """The running servers by name, and what the command shall see."""
    servers, facts, seen = {}, {}, {}
    for name in names:
        servers[name] = stack.enter_context(SERVERS[name]())
        facts[name] = servers[name].describe()
        if "--tls" in options and "addr" in facts[name] and "tls_addr" not in facts[name]:
            facts[name].update(stack.enter_context(TlsFront(facts[name]["addr"])).describe())
        if "--proxy" in options and "addr" in facts[name]:
            front = stack.enter_context(toxiproxy.Proxy(facts[name]))
            servers[f"{name}-proxy"] = front
            facts[f"{name}-proxy"] = front.describe()
        seen.update(servers[name].variables())
    for name, known in facts.items():
        seen.update(environment(name, known))
    return servers, facts, seen


def end_command(child, apart):
    try:
        os.killpg(child.pid, signal.SIGKILL) if apart else child.kill()
    except ProcessLookupError:
        pass


def run(names, options, command):
    with ExitStack() as stack:
        servers, facts, seen = start(stack, names, options)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bulla-servers-"))
        path = Path(folder) / "servers.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(facts, indent=2))
        door = Control(servers, f"{folder}/control")
        stack.callback(door.close)
        seen.update(BULLA_SERVERS_JSON=str(path), BULLA_SERVERS_CONTROL=f"{folder}/control")
        # In a group of its own, so that what it leaves behind ends too; but a shell wants the terminal's group.
        apart = not sys.stdin.isatty()
        child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], env={**os.environ, **seen},
                                 start_new_session=apart)
        stack.callback(end_command, child, apart)
        code = child.wait()
        return code if code >= 0 else 128 - code


def ended(number, _):
    sys.exit(128 + number)


def main(words):
    if words == ["--list"]:
        print("\n".join(SERVERS))
        return 0
    if words[:1] == ["control"]:
        return control(*words[1:])
    if "--" not in words:
        sys.exit(__doc__)
    at = words.index("--")
    names, command = words[:at], words[at + 1:]
    options = {"--tls", "--proxy"}.intersection(names)
    names = [name for name in names if name not in options]
    unknown = [name for name in names if name not in SERVERS]
    if unknown or not names or not command:
        sys.exit(f"run.py: no server {unknown[0]}; there are {', '.join(SERVERS)}" if unknown else __doc__)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, ended)
    try:
        return run(names, options, command)
    except Missing as reason:
        exit_missing(reason)
    except Failed as reason:
        sys.exit(f"run.py: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
