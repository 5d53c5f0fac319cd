# SPDX-License-Identifier: Apache-2.0
"""PKCS#11 tokens in a folder of their own: SoftHSM 2, and kryoptic for newer mechanisms. Nothing listens; what a test
gets is the module's path, the variable that tells the module where its store is, and a token with a key."""
import os
import secrets
import subprocess
from pathlib import Path

from process import Failed, Missing, Server, Spared, installed, tool


class Token(Server):
    """No process: each program that loads the module works on the store itself."""

    verbs = ("stop", "start", "restart", "tool", "describe")
    label = "bulla"

    @classmethod
    def check(cls):
        tool("pkcs11-tool", "opensc")
        cls.module()

    @staticmethod
    def module():
        """The path of the library."""
        raise NotImplementedError

    def start(self):
        """Brings back what stop took away."""
        if self.away().exists():
            self.away().rename(self.store())

    def stop(self):
        """The token is pulled out: its store is no longer where it was."""
        self.store().rename(self.away())

    def kill(self):
        pass

    def store(self):
        return self.folder / "store"

    def away(self):
        return self.folder / "store.away"

    def prepare(self):
        self.pin, self.so_pin = secrets.token_hex(8), secrets.token_hex(8)
        self.store().mkdir(mode=0o700)
        self.pin_file = self.folder / "pin"
        self.pin_file.touch(mode=0o600)
        self.pin_file.write_text(self.pin)
        self.make_store()

    def tool(self, *words):
        """pkcs11-tool on the token, logged in."""
        line = [tool("pkcs11-tool", "opensc"), "--module", str(self.module()), "--token-label", self.label,
                "--login", "--pin", self.pin, *words]
        done = subprocess.run(line, env={**os.environ, **self.variables()}, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Failed(f"pkcs11-tool {' '.join(words)}: {done.stdout}{done.stderr}".strip())
        return done.stdout

    def fill(self):
        self.tool("--keygen", "--key-type", "AES:32", "--label", "bulla", "--id", "01", "--sensitive",
                  "--usage-decrypt", "--usage-wrap")

    def describe(self):
        address = f"pkcs11:token={self.label};object=bulla?module-path={self.module()}&pin-source=file:{self.pin_file}"
        return {"module": str(self.module()), "token": self.label, "key": "bulla", "pin": self.pin,
                "so_pin": self.so_pin, "pin_file": str(self.pin_file), "uri": address}


class SoftHsm(Token):
    name = "softhsm"

    @staticmethod
    def module():
        found = sorted(Path("/usr/lib").glob("**/softhsm/libsofthsm2.so"))
        if not found:
            raise Missing("softhsm2 is not installed: apt-get install softhsm2")
        return found[0]

    def variables(self):
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def make_store(self):
        (self.folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.store()}\nobjectstore.backend = file\nlog.level = ERROR\n")
        line = [tool("softhsm2-util", "softhsm2"), "--init-token", "--free", "--label", self.label, "--pin", self.pin,
                "--so-pin", self.so_pin]
        subprocess.run(line, check=True, env={**os.environ, **self.variables()}, stdout=subprocess.DEVNULL, timeout=60)


class Kryoptic(Token):
    name = "kryoptic"

    @staticmethod
    def module():
        try:
            return installed("kryoptic", "libkryoptic_pkcs11.so")
        except Missing as reason:
            raise Spared(reason) from None

    def variables(self):
        return {"KRYOPTIC_CONF": str(self.store() / "token.sql")}

    def make_store(self):
        base = [tool("pkcs11-tool", "opensc"), "--module", str(self.module())]
        env = {**os.environ, **self.variables()}
        for words in (["--init-token", "--label", self.label, "--so-pin", self.so_pin],
                      ["--login", "--login-type", "so", "--so-pin", self.so_pin, "--init-pin", "--pin", self.pin]):
            subprocess.run([*base, *words], check=True, env=env, capture_output=True, timeout=60)
