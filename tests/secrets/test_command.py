# SPDX-License-Identifier: Apache-2.0
"""Does the command keep its keys to itself: in locked pages while it runs, in no output, environment, argument or core?

test_command.py BULLA
"""
import base64
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

WINDOW = 16
findings = []


def report(text):
    findings.append(text)


def forms(key):
    """How key bytes could show: raw, halves included, and as text."""
    yield key[:WINDOW]
    yield key[-WINDOW:]
    yield key.hex().encode()[:2 * WINDOW]
    yield key.hex().upper().encode()[:2 * WINDOW]
    yield base64.b64encode(key)[:2 * WINDOW]


def mappings(pid):
    """(start, end, flags, name) of each readable mapping."""
    current = None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
        if match:
            current = (int(match[1], 16), int(match[2], 16), match[3], match[4])
        elif line.startswith("VmFlags:") and current and current[2].startswith("r"):
            yield current[0], current[1], line.split()[1:], current[3] or "anonymous memory"


def search(pid, key):
    """How often the key's halves are in locked memory, and where else."""
    locked, elsewhere = 0, []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, flags, name in mappings(pid):
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue  # devices, and pages that do not exist
            num = sum(content.count(form) for form in forms(key))
            if "lo" in flags and "dd" in flags:
                locked += num
            elif num:
                elsewhere.append(f"{name} ({num})")
    return locked, elsewhere


class World:
    def __init__(self, bulla, folder):
        self.bulla, self.folder, self.outputs = bulla, folder, []
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def run(self, *arguments, expect=0, stdin=b""):
        done = subprocess.run([self.bulla, *map(str, arguments)], input=stdin, capture_output=True, timeout=120,
                              env=self.environment, check=False)
        self.outputs.append((" ".join(map(str, arguments)), done.stdout + done.stderr))
        if done.returncode != expect:
            sys.exit(f"bulla {' '.join(map(str, arguments))}: {done.returncode}\n{done.stderr.decode()}")
        return done.stdout

    def key_file(self, name, text=False):
        key = os.urandom(32)
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64encode(key) + b"\n" if text else key)
        return key, f"file:{path}?namespace=test&name={name}"


def check_outputs(world, keys):
    """The most verbose log of everything, with and without --json, on success and on failure."""
    raw, text = keys["raw"], keys["text"]
    plain = world.folder / "plain"
    plain.write_bytes(b"tokens" * 10000)
    for json in ([], ["--json"]):
        for key, address in (raw, text):
            loud = ["-v", "-v", *json]
            message = world.folder / "message"
            world.run("encrypt", *loud, "--force", "-r", address, plain, "-o", message)
            world.run("inspect", *loud, message)
            world.run("rewrap", *loud, "--with", address, "--to", address, message)
            world.run("decrypt", *loud, "--force", "-r", address, "-o", world.folder / "opened", message)
            damaged = bytearray(message.read_bytes())
            damaged[-20] ^= 1
            (world.folder / "damaged").write_bytes(damaged)
            world.run("decrypt", *loud, "-r", address, "-o", world.folder / "never", world.folder / "damaged", expect=1)
        world.run("config", "show", *json)
        world.run("key", "list", "-v", "-v", *json)
    for title, output in world.outputs:
        for name, (key, _) in keys.items():
            if any(form in output for form in forms(key)):
                report(f"bulla {title}: the {name} key is in the output")


def check_running(world, engine, key, address):
    """A decryption that waits for its reader: memory, arguments, environment, limits."""
    config = world.folder / "bulla.yaml"
    config.write_text(f"crypto:\n  engine: {engine}\n")
    world.environment["BULLA_CONFIG"] = str(config)
    large = world.folder / "large"
    large.write_bytes(os.urandom(1 << 20) * 8)
    world.run("encrypt", "--force", "-r", address, large, "-o", world.folder / "large.bulla")
    reader, writer = os.pipe()
    with subprocess.Popen([world.bulla, "decrypt", "-r", address, "-o", "-", str(world.folder / "large.bulla")],
                          stdout=writer, env=world.environment) as process:
        os.close(writer)
        os.read(reader, 1)  # it has the key now, and waits for the pipe
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        proc = pathlib.Path(f"/proc/{process.pid}")
        locked, elsewhere = search(process.pid, key)
        print(f"decrypting with {engine}: {locked} in locked pages, elsewhere: {', '.join(elsewhere) or 'nowhere'}")
        # OpenSSL keeps the expanded keys of its contexts on its heap.
        if elsewhere and (engine != "openssl" or any("[heap]" not in place for place in elsewhere)):
            report(f"while it decrypts with {engine} the key is in {', '.join(elsewhere)}")
        if locked == 0:
            report("the key is not found where it should be: is the search right?")
        for name in ("cmdline", "environ"):
            if any(form in (proc / name).read_bytes() for form in forms(key)):
                report(f"the key is in /proc/PID/{name}")
        if not re.search(r"^Max core file size\s+0\s+0\s", (proc / "limits").read_text(), flags=re.M):
            report("a core file may be written")
        process.send_signal(signal.SIGCONT)
        while os.read(reader, 1 << 20):
            pass
        if process.wait(60) != 0:
            report(f"decrypting to a slow pipe failed: {process.returncode}")
    os.close(reader)


def check_core(world, address):
    """A crash leaves no core file, whatever the limit was before."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    with subprocess.Popen([world.bulla, "encrypt", "-r", address], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          cwd=world.folder, env=world.environment) as process:
        process.stdin.write(b"tokens" * 100000)
        process.stdin.flush()
        process.send_signal(signal.SIGSEGV)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != -signal.SIGSEGV:
        report(f"a crash ended with {process.returncode}")
    if os.WCOREDUMP(status) or list(world.folder.glob("core*")):
        report("a core file was written")


def main():
    with tempfile.TemporaryDirectory() as name:
        world = World(sys.argv[1], pathlib.Path(name))
        world.run("init")
        world.run("key", "create", "k")
        root = next(pathlib.Path(name).rglob("root.key")).read_bytes()
        keys = {"raw": world.key_file("raw"), "text": world.key_file("text", text=True)}
        with_root = {**keys, "root": (base64.b64decode(root) if len(root) != 32 else root, None)}
        check_outputs(world, with_root)
        engines = ["openssl", "ipsec-mb"] if "ipsec-mb" in world.run("version", "--json").decode() else ["openssl"]
        for engine in engines:
            check_running(world, engine, *keys["raw"])
        check_core(world, keys["raw"][1])
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


sys.exit(main())
