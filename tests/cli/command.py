# SPDX-License-Identifier: Apache-2.0
"""A folder of its own and the command in it, for the tests of the verbs. The command is $BULLA."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

BULLA = os.environ.get("BULLA", "bulla")

# Exit codes: the classes of bulla_status.
OK, FATAL, CALLER, RETRY, UNSURE, STOP = range(6)


class CommandTest(unittest.TestCase):
    """self.dir is empty but for a key file; self.key is its address."""

    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="bulla-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.home = self.dir / "home"
        self.home.mkdir()
        self.key = self.make_key("k")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def make_key(self, name):
        path = self.home / f"{name}.key"
        path.write_bytes(os.urandom(32))
        path.chmod(0o600)
        return f"file:{path}?namespace=test&name={name}"

    def run_bulla(self, *args, stdin=b"", **options):
        options.setdefault("env", self.env)
        options.setdefault("cwd", self.dir)
        options.setdefault("timeout", 120)
        if isinstance(stdin, bytes):
            options["input"] = stdin
        else:
            options["stdin"] = stdin
        return subprocess.run([options.pop("command", BULLA), *map(os.fspath, args)], stdout=options.pop("stdout", subprocess.PIPE),
                              stderr=subprocess.PIPE, check=False, **options)

    def bulla(self, *args, status=OK, **options):
        """Runs the command, which must end with `status`; its standard output."""
        done = self.run_bulla(*args, **options)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace"))
        self.stderr = done.stderr.decode(errors="replace")
        return done.stdout

    def bulla_json(self, *args, **options):
        """The JSON values that the command prints."""
        text = self.bulla(*args, "--json", **options).decode()
        values, decoder = [], json.JSONDecoder()
        while text.strip():
            value, end = decoder.raw_decode(text.lstrip())
            values.append(value)
            text = text.lstrip()[end:]
        return values

    def encrypt(self, name, *args, data=b"some words\n"):
        """Makes the file `name` and its message; the paths of both."""
        plain = self.dir / name
        plain.write_bytes(data)
        self.bulla("encrypt", "-r", self.key, *args, name)
        return plain, self.dir / f"{name}.bulla"

    def waits(self, pid):
        """Whether the command has set its signals and sleeps."""
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            text = file.read()
        caught = int(re.search(r"SigCgt:\s*(\w+)", text).group(1), 16)
        return caught >> (signal.SIGTERM - 1) & 1 and "State:\tS" in text

    def names(self, folder="."):
        """What is in a folder, without the keys."""
        return sorted(p.name for p in (self.dir / folder).iterdir() if p.name != "home")

    def snapshot(self):
        """Every path and what it holds, to show that nothing happened."""
        return {p: (p.read_bytes() if p.is_file() else None, p.lstat().st_mode) for p in self.dir.rglob("*")
                if not p.is_symlink()}
