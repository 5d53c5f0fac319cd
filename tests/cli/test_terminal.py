#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is different on a terminal, what signals do, and what the process lets others see."""
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import time
import unittest

from command import BULLA, CALLER, OK, STOP, CommandTest


class Terminal(CommandTest):
    def setUp(self):
        super().setUp()
        self.env["TERM"] = "xterm"
        self.bulla("init", "-q")
        self.bulla("key", "create", "k")

    def on_terminal(self, *args, typed=b"", status=OK, **env):
        """Runs the command with a terminal for all its streams; what it shows."""
        child, fd = pty.fork()
        if child == 0:
            os.chdir(self.dir)
            os.execve(BULLA, [BULLA, *args], {**self.env, **env})
        os.write(fd, typed)
        shown = b""
        while select.select([fd], [], [], 120)[0]:
            try:
                part = os.read(fd, 65536)
            except OSError:  # the other side is closed
                break
            shown += part
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), status, shown)
        os.close(fd)
        return shown.decode()

    def state(self):
        return self.bulla_json("key", "show", "k")[0]["state"]

    def test_deletion_wants_the_name_typed_again(self):
        self.assertIn("Type its name", self.on_terminal("key", "schedule-deletion", "k", typed=b"y\n", status=CALLER))
        self.assertEqual(self.state(), "enabled")
        self.on_terminal("key", "schedule-deletion", "k", typed=b"k\n")
        self.assertEqual(self.state(), "pending_deletion")

    def test_a_key_is_not_shown_on_a_terminal_unasked(self):
        self.assertIn("--wrapped-only", self.on_terminal("datakey", "local:k", status=CALLER))
        self.assertNotIn("plaintext", self.on_terminal("datakey", "local:k", "--wrapped-only"))
        self.assertIn("plaintext", self.on_terminal("datakey", "local:k", "--yes"))

    def test_raw_bytes_and_backups_do_not_go_to_a_terminal(self):
        self.on_terminal("random", "4", "--raw", status=CALLER)
        self.on_terminal("backup", "-o", "-", status=CALLER)

    def test_colours_are_for_terminals_that_want_them(self):
        self.assertIn("\033[32menabled", self.on_terminal("key", "list"))
        self.assertIn("\033[1;31mbulla:", self.on_terminal("key", "show", "x", status=CALLER))
        self.assertNotIn("\033", self.on_terminal("key", "list", NO_COLOR="1"))
        self.assertIn("\033", self.on_terminal("key", "list", NO_COLOR=""))
        self.assertNotIn("\033", self.on_terminal("key", "list", TERM="dumb"))
        self.assertNotIn(b"\033", self.bulla("key", "list"))


class Process(CommandTest):
    def slow(self, **options):
        """An encryption that waits for its input."""
        child = subprocess.Popen([BULLA, "encrypt", "-r", self.key, "-o", "out"], cwd=self.dir, env=self.env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        child.stdin.write(b"beginning")
        child.stdin.flush()
        self.wait_for(child)
        return child

    def wait_for(self, child):
        """Until its handlers are set and it sleeps in a read."""
        deadline = time.monotonic() + 60
        while not self.waits(child.pid):
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(child.poll())
            time.sleep(0.01)

    def test_a_signal_ends_the_work_and_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            child = self.slow()
            child.send_signal(number)
            self.assertEqual(child.wait(60), STOP)
            child.stdin.close()
            self.assertIn(b"(ECANCELLED)", child.stderr.read())
            self.assertEqual(self.names(), [])

    def blocked(self, *args, **options):
        """A command that waits for a pipe which nobody fills, or nobody empties."""
        child = subprocess.Popen([BULLA, *args], cwd=self.dir, env=self.env, stderr=subprocess.PIPE, **options)
        self.addCleanup(child.wait, 60)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.kill)
        return child

    def idle_pipes(self):
        """A pipe that stays empty, and one of which nothing is read."""
        ends = [os.pipe(), os.pipe()]
        for end in (*ends[0], *ends[1]):
            self.addCleanup(os.close, end)
        return {"stdin": ends[0][0]}, {"stdin": subprocess.DEVNULL, "stdout": ends[1][1]}

    def test_the_time_allowed_ends_what_waits_for_a_pipe(self):
        self.encrypt("f", data=os.urandom(1 << 20))
        os.mkfifo(self.dir / "pipe")
        empty, full = self.idle_pipes()
        for args, options in ((("encrypt", "-r", self.key, "-o", "out"), empty), (("inspect",), empty),
                              (("encrypt", "-r", self.key, "-o", "out", "-j4"), empty),
                              (("--store", "s", "restore", "-"), empty),
                              (("encrypt", "-r", self.key, "-o", "-", "f"), full),
                              (("decrypt", "-r", self.key, "-o", "-", "-j4", "f.bulla"), full),
                              (("inspect", "pipe"), empty), (("encrypt", "-r", self.key, "-o", "pipe", "f"), full),
                              (("random", "10000000"), full)):
            child = self.blocked("--timeout", "1s", *args, **options)
            self.assertEqual(child.wait(60), STOP, args)
            self.assertIn(b"(EDEADLINE)", child.stderr.read())
        self.assertEqual(self.names(), ["f", "f.bulla", "pipe"])

    def test_one_signal_ends_several_threads_that_wait_for_a_pipe(self):
        self.encrypt("f", data=os.urandom(1 << 20))
        empty, full = self.idle_pipes()
        for args, options in ((("encrypt", "-r", self.key, "-o", "out", "-j4"), empty),
                              (("encrypt", "-r", self.key, "-o", "-", "f"), full),
                              (("decrypt", "-r", self.key, "-o", "-", "-j4", "f.bulla"), full)):
            child = self.blocked(*args, **options)
            self.wait_for(child)
            child.terminate()
            self.assertEqual(child.wait(60), STOP, args)

    def test_progress_is_told_in_lines_where_there_is_no_terminal(self):
        for options, expected in (((), rb"^encrypted: .* KiB, .* KiB/s\n$"), (("-q",), rb"^$"), (("--json",), rb"^[^/]*$")):
            child = subprocess.Popen([BULLA, "encrypt", "-r", self.key, "-f", "-o", "out", *options], cwd=self.dir,
                                     env=self.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE)
            for _ in range(8):
                child.stdin.write(bytes(100000))
                child.stdin.flush()
                time.sleep(0.5)
            child.stdin.close()
            said = child.stderr.read()
            child.stderr.close()
            self.assertEqual(child.wait(60), OK)
            said, num = re.subn(rb"(?m)^.*fit for development.*\n", b"", said)
            self.assertEqual(num, 0 if "-q" in options else 1)
            self.assertRegex(said, expected)

    def test_there_is_no_core_file(self):
        child = self.slow(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096)))
        with open(f"/proc/{child.pid}/limits", encoding="ascii") as file:
            self.assertRegex(file.read(), r"Max core file size\s+0\s+0 ")
        child.kill()
        child.wait(60)
        child.stdin.close()

    def test_others_of_the_same_user_do_not_look_inside(self):
        env = {**self.env, "HOME": "/", "K": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
        self.dir.chmod(0o755)
        command = shutil.copy(BULLA, self.dir / "command")  # the build may lie where only root goes
        # As somebody who is not root: root's processes tell nothing.
        child = subprocess.Popen([command, "encrypt", "-r", "env:K"], cwd="/", env=env, stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, user=65534 if os.getuid() == 0 else None)
        self.wait_for(child)
        # What is not dumpable belongs to root in /proc, whoever runs it.
        self.assertEqual(os.stat(f"/proc/{child.pid}/mem").st_uid, 0)
        child.kill()
        child.wait(60)
        child.stdin.close()


if __name__ == "__main__":
    unittest.main()
