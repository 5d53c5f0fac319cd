#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bulla rewrap: the header changes, the body and the rest of the file do not."""
import base64
import fcntl
import os
import subprocess
import threading
import unittest

from command import BULLA, CALLER, FATAL, RETRY, CommandTest

NUM_KILLS = 60

# By the AWS Encryption SDK for Python and its required encryption context CMM: "some words" and a newline under the raw
# AES key "fixed" of the namespace "test", bytes 0 to 31, with the context host=a1, tenant=acme, the latter not written.
TENANT_NOT_WRITTEN = base64.b64decode(
    "AgR4Xwzah6dhJf0GDWxcUf1zm26wzbpXqShhfAHNCi28VfQADAABAARob3N0AAJhMQABAAR0ZXN0ABlmaXhlZAAAAIAAAAAMhIn4"
    "lyMf2WzPnUG1ADA4e7Rx3vA7ZIeHYjeMEdBpO+a78wWd2AJ00uz62fpMZS4kUrtFa4b99Nx0bS1qE4MCAAAAgMMF42Z7Szdo0dgh"
    "AEupBxcygIwm/rqkvXi/9Q+YjD26GDa3qsyBVvUKznoDEj9wE/////8AAAABAAAAAAAAAAAAAAABAAAAC9Q83+QBVo3D/vvBsZvY"
    "7xrFKgk0nOxp0AYDpA==")


class Rewrap(CommandTest):
    def setUp(self):
        super().setUp()
        self.bulla("init", "--root", f"file:{self.home / 'root.key'}")
        self.bulla("key", "create", "files")
        self.other = self.make_key("other")
        self.local = "local:files"

    def make(self, *args, key=None, data=bytes(100000)):
        path = self.dir / "m.bulla"
        self.bulla("encrypt", "-r", key or self.local, "-f", "-o", path, *args, stdin=data)
        return path

    def body(self, path):
        found, = self.bulla_json("inspect", path)
        return path.read_bytes()[found["header_length"]:]

    def entries(self, path):
        found, = self.bulla_json("inspect", path)
        return [(r["key"], r.get("key_version")) for r in found["recipients"]]

    def opens(self, path, *args, data=bytes(100000)):
        self.assertEqual(self.bulla("decrypt", *args, "-o", "-", path), data)

    def test_newer_version_goes_in_place(self):
        path = self.make("--context", "a=b")
        body, inode = self.body(path), path.stat().st_ino
        self.bulla("key", "rotate", "files")
        os.utime(path, ns=(1_500_000_000_000_000_001, 1_400_000_000_000_000_001))
        told, = self.bulla_json("rewrap", path)
        self.assertEqual((told["rewrapped"], told["in_place"]), (True, True))
        self.assertEqual(path.stat().st_ino, inode)
        self.assertEqual(path.stat().st_mtime_ns, 1_400_000_000_000_000_001)
        self.assertEqual(self.body(path), body)
        self.assertEqual([version for _, version in self.entries(path)], [2])
        self.opens(path)

    def test_what_is_as_it_should_be_is_left_alone(self):
        path = self.make()
        before = path.read_bytes()
        told, = self.bulla_json("rewrap", path)
        self.assertFalse(told["rewrapped"])
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(self.bulla("rewrap", path), f"{path}: unchanged\n".encode())

    def test_adding_makes_a_new_file_of_the_same_look(self):
        path = self.make()
        body = self.body(path)
        path.chmod(0o640)
        os.utime(path, ns=(1, 1_400_000_000_000_000_001))
        told, = self.bulla_json("rewrap", "--add", self.other, path)
        self.assertEqual((told["rewrapped"], told["in_place"]), (True, False))
        self.assertEqual(self.body(path), body)
        self.assertEqual((path.stat().st_mode & 0o7777, path.stat().st_mtime_ns), (0o640, 1_400_000_000_000_000_001))
        self.opens(path)
        self.opens(path, "-r", self.other)
        self.assertEqual(self.names(), ["m.bulla"])

    def test_adding_twice_changes_nothing(self):
        path = self.make()
        self.bulla("rewrap", "--add", self.other, path)
        before = path.read_bytes()
        self.bulla("rewrap", "--add", self.other, path)
        self.assertEqual(path.read_bytes(), before)

    def test_dropping_by_address_and_by_number(self):
        for dropped in (self.other, "2"):
            path = self.make("-r", self.other)
            self.bulla("rewrap", "--drop", dropped, path)
            self.assertEqual(len(self.entries(path)), 1)
            self.opens(path)
            self.bulla("decrypt", "-r", self.other, "-o", "out", path, status=CALLER)

    def test_number_that_is_not_there_is_refused(self):
        path = self.make()
        before = path.read_bytes()
        self.bulla("rewrap", "--add", self.other, "--drop", "2", path, status=CALLER)
        self.assertIn("no entry 2", self.stderr)
        self.assertEqual(path.read_bytes(), before)

    def test_another_key_of_the_same_name_is_another_key(self):
        path = self.make(key=self.other)
        same_name = self.make_key("new").replace("name=new", "name=other")
        self.bulla("rewrap", "--with", self.other, "--add", same_name, path)
        for key in (self.other, same_name):
            self.opens(path, "-r", key)
        self.bulla("rewrap", "--with", self.other, "--to", same_name, path)
        self.assertEqual(len(self.entries(path)), 1)
        self.opens(path, "-r", same_name)
        self.assertIn(b"unchanged", self.bulla("rewrap", "--with", self.other, "--to", same_name, path))

    def test_last_recipient_cannot_be_dropped(self):
        path = self.make()
        before = path.read_bytes()
        self.bulla("rewrap", "--drop", "1", path, status=CALLER)
        self.assertEqual(path.read_bytes(), before)

    def test_moving_to_another_key(self):
        path = self.make(key=self.key)
        self.bulla("rewrap", "--with", self.key, "--to", self.local, path)
        self.assertEqual([version for _, version in self.entries(path)], [1])
        self.opens(path)
        self.bulla("decrypt", "-r", self.key, "-o", "out", path, status=CALLER)

    def test_dropping_who_is_no_recipient_is_an_error(self):
        path = self.make()
        before = path.read_bytes()
        self.bulla("rewrap", "--drop", self.other, path, status=CALLER)
        self.assertIn("no entry of the key", self.stderr)
        self.bulla("rewrap", "--add", self.key, "--drop", self.other, path, status=CALLER)
        self.assertEqual(path.read_bytes(), before)

    def test_in_trees_who_is_no_recipient_is_counted(self):
        (self.dir / "tree").mkdir()
        for name, also in (("a", ()), ("b", ("-r", self.other)), ("c", ())):
            self.make(*also).rename(self.dir / "tree" / f"{name}.bulla")
        self.bulla("rewrap", "-R", "--drop", self.other, "tree")
        self.assertIn("rewrapped 1 file, 2 unchanged", self.stderr)
        self.assertIn("no entry in 2 files", self.stderr)

    def test_public_key_is_known_again(self):
        for command in ("genrsa -out private.pem 2048", "rsa -in private.pem -pubout -out public.pem"):
            subprocess.run(["openssl", *command.split()], cwd=self.dir, check=True, stderr=subprocess.DEVNULL)
        (self.dir / "private.pem").chmod(0o600)
        path, public = self.make(), "rsa:public.pem?namespace=n&name=x"
        self.bulla("rewrap", "--add", public, path)
        self.assertIn(b"unchanged", self.bulla("rewrap", "--add", public, path))
        self.assertEqual(len(self.entries(path)), 2)
        self.opens(path, "-r", public, "-r", "rsa:private.pem?namespace=n&name=x")
        self.bulla("rewrap", "--drop", public, path)
        self.assertEqual(len(self.entries(path)), 1)

    def make_without_tenant(self):
        path, key = self.dir / "m.bulla", self.home / "fixed.key"
        path.write_bytes(TENANT_NOT_WRITTEN)
        key.write_bytes(bytes(range(32)))
        key.chmod(0o600)
        return path, f"file:{key}?namespace=test&name=fixed"

    def test_pair_that_the_header_does_not_write_is_brought_along(self):
        path, key = self.make_without_tenant()
        for wrong in ((), ("--context", "tenant=other"), ("--context", "tenant=acme", "--context", "colour=red")):
            self.bulla("rewrap", "--with", key, "--add", self.other, *wrong, path, status=FATAL)
            self.assertEqual(path.read_bytes(), TENANT_NOT_WRITTEN)
        right = ("--context", "tenant=acme")
        self.bulla("rewrap", "--with", key, "--add", self.other, *right, "--context", "host=a1", path)
        self.assertNotIn(b"acme", path.read_bytes())
        self.opens(path, "-r", self.other, *right, data=b"some words\n")
        self.bulla("rewrap", "--with", key, "--to", self.other, *right, path)
        self.assertEqual([name for name, _ in self.entries(path)], ["other"])
        self.opens(path, "-r", self.other, *right, data=b"some words\n")

    def test_signed_messages_say_what_to_do(self):
        path = self.make("--sign")
        before = path.read_bytes()
        self.bulla("rewrap", "--add", self.other, path, status=CALLER)
        self.assertIn("encrypt it again", self.stderr)
        self.assertEqual(path.read_bytes(), before)

    def test_altered_header_is_refused(self):
        path = self.make("--context", "a=b")
        path.write_bytes(path.read_bytes().replace(b"\0\1a\0\1b", b"\0\1a\0\1c", 1))
        before = path.read_bytes()
        self.bulla("rewrap", "--add", self.other, path, status=FATAL)
        self.assertEqual(path.read_bytes(), before)

    def test_links_are_not_rewrapped(self):
        path = self.make()
        (self.dir / "link.bulla").symlink_to(path.name)
        self.bulla("rewrap", "--add", self.other, "link.bulla", status=CALLER)
        self.assertIn("symbolic link", self.stderr)

    def test_trees_are_rewrapped_where_they_stand(self):
        for name in ("a", "b/c"):
            (self.dir / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            self.bulla("encrypt", "-r", self.local, "-o", f"tree/{name}.bulla", stdin=b"x")
        (self.dir / "tree" / "note").write_bytes(b"no message")
        self.bulla("key", "rotate", "files")
        self.bulla("rewrap", "-R", "tree")
        self.assertIn("rewrapped 2 files, 1 skipped", self.stderr)
        self.assertEqual([v for _, v in self.entries(self.dir / "tree/b/c.bulla")], [2])
        self.bulla("rewrap", "-R", "tree")
        self.assertIn("rewrapped 0 files, 2 unchanged", self.stderr)

    def test_long_header_of_one_length_is_copied(self):
        path = self.make("--context", "long=" + "x" * 600)
        body, inode = self.body(path), path.stat().st_ino
        self.bulla("key", "rotate", "files")
        told, = self.bulla_json("rewrap", path)
        self.assertFalse(told["in_place"])
        self.assertNotEqual(path.stat().st_ino, inode)
        self.assertEqual(self.body(path), body)
        self.opens(path)

    def test_attributes_are_kept(self):
        path = self.make()
        try:
            os.setxattr(path, "user.note", b"kept")
        except OSError:
            self.skipTest("no extended attributes here")
        self.bulla("rewrap", "--add", self.other, path)
        self.assertEqual(os.getxattr(path, "user.note"), b"kept")

    def test_somebody_elses_rewrap_is_waited_for(self):
        path = self.make()
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            threading.Timer(0.5, fcntl.flock, (file, fcntl.LOCK_UN)).start()
            self.bulla("rewrap", "--add", self.other, path)
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.bulla("rewrap", "--drop", "2", "--timeout", "1s", path, status=5)

    def test_many_at_once_leave_one_good_message(self):
        path = self.make()
        addresses = [self.make_key(f"k{i}") for i in range(6)]
        children = [subprocess.Popen([BULLA, "rewrap", "-q", "--add", a, path], cwd=self.dir, env=self.env)
                    for a in addresses]
        self.assertEqual([child.wait(60) for child in children], [0] * 6)
        self.assertEqual(len(self.entries(path)), 7)
        for address in addresses:
            self.opens(path, "-r", address)

    def test_kill_leaves_the_old_or_the_new(self):
        path = self.make(data=bytes(4 << 20))
        body, delay = self.body(path), 0.0
        for i in range(NUM_KILLS):
            change = ("--add", self.other) if len(self.entries(path)) == 1 else ("--drop", self.other)
            child = subprocess.Popen([BULLA, "rewrap", *change, path], cwd=self.dir, env=self.env,
                                     stdout=subprocess.DEVNULL)
            try:
                child.wait(delay)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            delay = (i % 20) * 0.0015
            self.assertEqual(self.body(path), body)
        self.opens(path, data=bytes(4 << 20))


if __name__ == "__main__":
    unittest.main()
