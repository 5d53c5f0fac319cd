#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bulla inspect: what a header says, without a key and without harm to who looks."""
import os
import subprocess
import time
import unittest

from command import BULLA, CALLER, FATAL, STOP, CommandTest


class Inspect(CommandTest):
    def inspect(self, path):
        found, = self.bulla_json("inspect", path)
        return found

    def test_needs_no_key(self):
        _, message = self.encrypt("f", "--context", "host=a", data=bytes(100))
        for key in self.home.glob("*.key"):
            key.unlink()
        found = self.inspect(message)
        self.assertEqual((found["version"], found["suite"], found["committing"], found["signed"]),
                         (2, "0x0478", True, False))
        self.assertEqual(found["context"], {"host": "a"})
        self.assertEqual(found["recipients"], [{"index": 1, "provider": "test", "kind": "raw-aes", "key": "k",
                                                "wrapped_length": 48}])
        self.assertEqual(len(found["message_id"]), 64)
        self.assertIs(found["authenticated"], False)

    def test_lengths_add_up(self):
        for sign in ((), ("--sign",)):
            for frame in ("1", "16", "64K"):
                for length in (0, 1, 15, 16, 17, 32, 500):
                    path = self.dir / "m"
                    self.bulla("encrypt", "-r", self.key, "-f", "-o", path, "--frame-size", frame, *sign,
                               stdin=bytes(length))
                    found = self.inspect(path)
                    self.assertEqual(found["plaintext_length"], length, (sign, frame))
                    self.assertEqual(found["header_length"] + found["body_length"], path.stat().st_size)

    def test_cut_message_has_no_plaintext_length(self):
        _, message = self.encrypt("f", "--frame-size", "16", data=bytes(100))
        message.write_bytes(message.read_bytes()[:-3])
        self.assertIsNone(self.inspect(message)["plaintext_length"])
        self.assertIn(b"not that of a whole message", self.bulla("inspect", message))

    def test_stream_has_no_body_length(self):
        message = self.bulla("encrypt", "-r", self.key, stdin=b"x")
        found, = self.bulla_json("inspect", stdin=message)
        self.assertIsNone(found["body_length"])
        self.assertEqual(found["file"], "-")

    def test_context_does_not_reach_the_terminal(self):
        _, message = self.encrypt("f", "--context", "a\x1b[2Jb=c\u202ed\x07")
        shown = self.bulla("inspect", message)
        for harm in (b"\x1b", b"\x07", "\u202e".encode()):
            self.assertNotIn(harm, shown)
        self.assertIn(b"a\\x1b[2Jb = c\\xe2\\x80\\xaed\\x07", shown)

    def test_every_recipient_has_its_number(self):
        other = self.make_key("other")
        (self.dir / "f").write_bytes(b"x")
        self.bulla("encrypt", "-r", self.key, "-r", other, "f")
        self.assertEqual([(r["index"], r["key"]) for r in self.inspect("f.bulla")["recipients"]],
                         [(1, "k"), (2, "other")])
        self.assertIn(b"2. test, AES key other", self.bulla("inspect", "f.bulla"))

    def test_one_bad_file_among_several(self):
        self.encrypt("f")
        (self.dir / "bad").write_bytes(b"hello")
        self.assertIn(b"f.bulla:", self.bulla("inspect", "bad", "f.bulla", status=CALLER))
        self.assertIn("bad: ", self.stderr)

    def test_folder_is_refused_without_advice_that_does_not_help(self):
        (self.dir / "t").mkdir()
        self.bulla("inspect", "t", status=CALLER)
        self.assertIn("t: is a folder", self.stderr)
        self.assertNotIn("-R", self.stderr)

    def test_a_signal_ends_it_while_it_waits_for_a_pipe(self):
        for name in ("a", "b"):
            os.mkfifo(self.dir / name)
        child = subprocess.Popen([BULLA, "inspect", "a", "b"], cwd=self.dir, env=self.env, stderr=subprocess.PIPE)
        self.addCleanup(child.kill)
        deadline = time.monotonic() + 30
        while not self.waits(child.pid):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        child.terminate()
        told = child.communicate(timeout=30)[1]
        self.assertEqual((child.returncode, told.count(b"ECANCELLED"), told.count(b"\n")), (STOP, 1, 1), told)

    def test_rubbish_is_an_error_and_no_crash(self):
        for data in (b"", b"\2", b"\2\4\x78", os.urandom(1000), bytes(100000)):
            self.assertIn(self.run_bulla("inspect", stdin=data).returncode, (CALLER, FATAL))


if __name__ == "__main__":
    unittest.main()
