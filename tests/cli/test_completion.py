#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Tab makes of a line, in a real bash on a terminal."""
import os
import pty
import re
import select
import time
import unittest
from pathlib import Path

from command import BULLA, CommandTest

SCRIPT = Path(__file__).resolve().parents[2] / "packaging/bulla.bash-completion"
TAB, SHOW, CLEAR = b"\t", b"\x14", b"\x15"


class Completion(CommandTest):
    def setUp(self):
        super().setUp()
        self.env |= {"PATH": f"{Path(BULLA).resolve().parent}:{self.env['PATH']}", "INPUTRC": "/dev/null", "TERM": "dumb",
                     "PS1": "> "}
        self.bulla("init", "-q")
        self.bulla("key", "create", "app")
        self.bulla("--store", "other", "init", "-q")
        self.bulla("--store", "other", "key", "create", "beta")

    def start(self):
        child, self.terminal = pty.fork()
        if child == 0:
            os.chdir(self.dir)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], self.env)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.close, self.terminal)
        show = r"""bind -x '"\C-t": printf "<%s>\n" "$READLINE_LINE"'"""
        os.write(self.terminal, f"source {SCRIPT}; {show}; echo r''eady\n".encode())
        self.read_until(rb"ready\r?\n")

    def read_until(self, pattern):
        shown, deadline = b"", time.monotonic() + 60
        while (found := re.search(pattern, shown)) is None:
            self.assertLess(time.monotonic(), deadline, shown)
            if select.select([self.terminal], [], [], 1)[0]:
                shown += os.read(self.terminal, 65536)
        return found

    def complete(self, line):
        """The line after Tab."""
        os.write(self.terminal, CLEAR + line.encode() + TAB + SHOW)
        return self.read_until(rb"<(.*)>\r?\n").group(1).decode()

    def expect(self, *pairs):
        self.start()
        for typed, line in pairs:
            self.assertEqual(self.complete(typed), line)

    def test_verbs_and_options(self):
        self.expect(("bulla enc", "bulla encrypt "), ("bulla key sta", "bulla key status "),
                    ("bulla encrypt --rec", "bulla encrypt --rec"), ("bulla encrypt --reci", "bulla encrypt --recipient "),
                    ("bulla key create --type ", "bulla key create --type aes-256-gcm "))

    def test_addresses(self):
        (self.dir / "kms.yaml").write_text("kms: {main: {provider: vault}}\n")
        self.expect(("bulla encrypt -r lo", "bulla encrypt -r local:"),
                    ("bulla encrypt -r local:a", "bulla encrypt -r local:app "),
                    ("bulla encrypt --recipient=local:a", "bulla encrypt --recipient=local:app "),
                    ("bulla datakey lo", "bulla datakey local:"), ("bulla datakey local:a", "bulla datakey local:app "),
                    ("bulla encrypt -r file:home/k.", "bulla encrypt -r file:home/k.key "),
                    ("bulla --config kms.yaml verify kms kms:m", "bulla --config kms.yaml verify kms kms:main "))

    def test_keys_are_those_of_the_keystore_on_the_line(self):
        self.expect(("bulla key show a", "bulla key show app "), ("bulla key alias set x a", "bulla key alias set x app "),
                    ("bulla --store other key show ", "bulla --store other key show beta "),
                    ("bulla --store=other encrypt -r local:", "bulla --store=other encrypt -r local:beta "),
                    ("bulla key create a", "bulla key create a"))

    def test_files(self):
        (self.dir / "my file.pdf").touch()
        self.expect(("bulla encrypt my", r"bulla encrypt my\ file.pdf "), ("bulla encrypt -o my", r"bulla encrypt -o my\ file.pdf "),
                    ("bulla --store oth", "bulla --store other/"), ("bulla version my", "bulla version my"))


if __name__ == "__main__":
    unittest.main()
