#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bulla encrypt and bulla decrypt: where results go, what is kept, what is refused, what is left."""
import base64
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import time
import unittest

from command import BULLA, CALLER, FATAL, OK, RETRY, CommandTest


class OneFile(CommandTest):
    def test_result_lies_beside_and_comes_back(self):
        plain, message = self.encrypt("letter.txt")
        plain.unlink()
        self.bulla("decrypt", "-r", self.key, message)
        self.assertEqual(plain.read_bytes(), b"some words\n")

    def test_every_length_around_a_frame_comes_back(self):
        for length in (0, 1, 15, 16, 17, 31, 32, 33, 64, 65):
            data = os.urandom(length)
            message = self.bulla("encrypt", "-r", self.key, "--frame-size", "16", stdin=data)
            self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=message), data)

    def test_threads_make_no_difference(self):
        data = os.urandom(3 << 20)
        (self.dir / "f").write_bytes(data)
        for writers, readers in ((1, 4), (4, 1), (3, 2)):
            self.bulla("encrypt", "-r", self.key, "-f", "-j", str(writers), "f")
            self.bulla("decrypt", "-r", self.key, "-j", str(readers), "-f", "-o", "g", "f.bulla")
            self.assertEqual((self.dir / "g").read_bytes(), data)

    def test_mode_and_times_are_kept(self):
        plain = self.dir / "f"
        plain.write_bytes(b"x")
        plain.chmod(0o6751)
        os.utime(plain, ns=(1_500_000_000_123_456_789, 1_400_000_000_987_654_321))
        self.bulla("encrypt", "-r", self.key, "f")
        self.bulla("decrypt", "-r", self.key, "-o", "g", "f.bulla")
        for name in ("f.bulla", "g"):
            found = (self.dir / name).stat()
            self.assertEqual(found.st_mode & 0o7777, 0o751)
            self.assertEqual(found.st_mtime_ns, 1_400_000_000_987_654_321)

    def make_shared(self):
        """A tree whose group is to read it, in a folder that anybody may write to."""
        if os.geteuid() != 0:
            self.skipTest("only root gives files away")
        (self.dir / "t").mkdir()
        (self.dir / "t" / "f").write_bytes(b"x")
        for path in (self.dir / "t", self.dir / "t" / "f"):
            os.chown(path, 1000, 2000)
            path.chmod(0o775 if path.is_dir() else 0o640)

    def test_group_is_kept(self):
        self.make_shared()
        self.bulla("encrypt", "-r", self.key, "-R", "-o", "out", "t")
        found = (self.dir / "out" / "f.bulla").stat()
        self.assertEqual((found.st_gid, found.st_mode & 0o777), (2000, 0o640))

    def test_another_group_gets_no_more_than_everybody(self):
        self.make_shared()
        command = shutil.copy(BULLA, self.dir / "command")  # the build may lie where only root goes
        for path in (self.dir, self.home, self.home / "k.key"):
            os.chown(path, 1000, 1000)
        self.bulla("encrypt", "-r", self.key, "-R", "-o", "out", "t", command=command, user=1000, group=3000,
                   extra_groups=[])
        for name, mode in (("out", 0o755), ("out/f.bulla", 0o600)):
            found = (self.dir / name).stat()
            self.assertEqual((found.st_gid, found.st_mode & 0o777), (3000, mode), name)

    def test_umask_does_not_widen_or_narrow_what_is_kept(self):
        for mask in (0o000, 0o077):
            plain = self.dir / f"f{mask}"
            plain.write_bytes(b"x")
            plain.chmod(0o644)
            self.bulla("encrypt", "-r", self.key, plain, preexec_fn=lambda mask=mask: os.umask(mask))
            self.assertEqual((self.dir / f"f{mask}.bulla").stat().st_mode & 0o777, 0o644)

    def test_mode_from_a_stream_is_by_the_umask(self):
        self.bulla("encrypt", "-r", self.key, "-o", "f.bulla", stdin=b"x", preexec_fn=lambda: os.umask(0o027))
        self.assertEqual((self.dir / "f.bulla").stat().st_mode & 0o777, 0o640)

    def test_nothing_is_replaced_without_force(self):
        _, message = self.encrypt("f")
        before = self.snapshot()
        self.bulla("encrypt", "-r", self.key, "f", status=CALLER)
        self.bulla("decrypt", "-r", self.key, message, status=CALLER)
        self.assertEqual(self.snapshot(), before)
        self.bulla("decrypt", "-r", self.key, "-f", message)

    def test_force_replaces_a_link_not_its_target(self):
        self.encrypt("f")
        (self.dir / "target").write_bytes(b"mine")
        (self.dir / "out").symlink_to("target")
        self.bulla("decrypt", "-r", self.key, "-f", "-o", "out", "f.bulla")
        self.assertFalse((self.dir / "out").is_symlink())
        self.assertEqual((self.dir / "target").read_bytes(), b"mine")

    def test_force_does_not_replace_a_folder(self):
        self.encrypt("f")
        (self.dir / "f.d").mkdir()
        self.bulla("encrypt", "-r", self.key, "-f", "-o", "f.d/", "f")
        self.assertEqual(self.names("f.d"), ["f.bulla"])
        (self.dir / "g").write_bytes(b"x")
        (self.dir / "g.bulla").mkdir()
        self.bulla("encrypt", "-r", self.key, "-f", "g", status=CALLER)

    def test_several_do_not_go_to_standard_output(self):
        self.encrypt("f")
        self.encrypt("g")
        for args in (("-o", "-", "f.bulla", "g.bulla"), ("-o", "out", "f.bulla", "-")):
            before = self.snapshot()
            self.assertEqual(self.bulla("decrypt", "-r", self.key, *args, status=CALLER), b"")
            self.assertEqual(self.snapshot(), before)

    def test_folder_that_is_not_there_is_no_file(self):
        _, message = self.encrypt("f")
        self.bulla("decrypt", "-r", self.key, "-o", "out/", message, status=CALLER)
        self.assertEqual(self.names(), ["f", "f.bulla"])

    def test_dev_stdout_is_standard_output_also_where_that_is_a_file(self):
        _, message = self.encrypt("f")
        with open(self.dir / "redirected", "wb") as file:
            self.bulla("decrypt", "-r", self.key, "-o", "/dev/stdout", message, stdout=file)
        self.assertEqual((self.dir / "redirected").read_bytes(), b"some words\n")

    def test_a_device_is_written_to_and_stays(self):
        self.encrypt("f")
        self.bulla("encrypt", "-r", self.key, "-f", "-o", "/dev/null", "f")
        self.assertTrue(os.path.exists("/dev/null") and not os.path.isfile("/dev/null"))

    def test_name_without_suffix_needs_an_output(self):
        _, message = self.encrypt("f")
        message.rename(self.dir / "other")
        self.bulla("decrypt", "-r", self.key, "other", status=CALLER)
        self.assertIn("-o OUT", self.stderr)

    def test_odd_names_are_files_like_others(self):
        for name in (b"with space", b"with\nnewline", b"\xff\xfe", b"-dash", b"\x1b[31mred", "h\u00e9".encode()):
            path = os.fsencode(self.dir) + b"/" + name
            with open(path, "wb") as file:
                file.write(name)
            self.bulla("encrypt", "-r", self.key, "--", name)
            os.unlink(path)
            self.bulla("decrypt", "-r", self.key, "--", name + b".bulla")
            with open(path, "rb") as file:
                self.assertEqual(file.read(), name)

    def test_odd_names_do_not_reach_the_terminal(self):
        done = self.run_bulla("decrypt", "-r", self.key, b"\x1b[31mred\xff.bulla")
        self.assertEqual(done.returncode, CALLER)
        self.assertNotIn(b"\x1b", done.stderr)
        self.assertIn(b"\\x1b[31mred\\xff", done.stderr)

    def test_locales_make_no_difference(self):
        for locale in ("C", "tr_TR.UTF-8", "POSIX", "nonsense"):
            self.env["LC_ALL"] = locale
            message = self.bulla("encrypt", "-r", self.key, "--frame-size", "1K", "--context", "I=\u0130", stdin=b"x")
            self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=message), b"x")

    def test_json_tells_what_was_done(self):
        (self.dir / "f").write_bytes(b"four")
        told, = self.bulla_json("encrypt", "-r", self.key, "f")
        self.assertEqual((told["input"], told["output"], told["bytes_in"]), ("f", "f.bulla", 4))
        self.assertEqual(told["bytes_out"], (self.dir / "f.bulla").stat().st_size)
        self.assertEqual((told["suite"], told["recipients"]), ("0x0478", 1))
        told, = self.bulla_json("decrypt", "-r", self.key, "-o", "g", "f.bulla")
        self.assertEqual((told["output"], told["bytes_out"], told["suite"]), ("g", 4, "0x0478"))

    def test_success_is_silent(self):
        (self.dir / "f").write_bytes(b"x")
        self.assertEqual(self.bulla("encrypt", "-q", "-r", self.key, "f"), b"")
        self.assertEqual(self.stderr, "")

    def test_a_key_in_a_file_is_said_to_be_for_development_and_no_more_is_said(self):
        (self.dir / "f").write_bytes(b"x")
        self.assertEqual(self.bulla("encrypt", "-r", self.key, "f"), b"")
        self.assertRegex(self.stderr, r"\Abulla: warning: fit for development, .*: file:.*\n\Z")


class Refusals(CommandTest):
    def test_wrong_key_leaves_nothing(self):
        plain, message = self.encrypt("f")
        plain.unlink()
        self.bulla("decrypt", "-r", self.make_key("other"), message, status=CALLER)
        self.assertEqual(self.names(), ["f.bulla"])

    def test_wrong_key_of_the_same_name_is_named(self):
        _, message = self.encrypt("f")
        wrong = self.make_key("another").replace("name=another", "name=k")
        self.bulla("decrypt", "-r", wrong, "-o", "g", message, status=FATAL)
        self.assertIn(wrong, self.stderr)
        self.assertNotIn(self.key, self.stderr)

    def test_any_flipped_byte_leaves_nothing(self):
        plain, message = self.encrypt("f", "--frame-size", "16", data=bytes(40))
        plain.unlink()
        good = message.read_bytes()
        for place in range(0, len(good), 5):
            message.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1:])
            done = self.run_bulla("decrypt", "-r", self.key, message)
            self.assertIn(done.returncode, (FATAL, CALLER), place)
            self.assertEqual(self.names(), ["f.bulla"])

    def test_any_cut_leaves_nothing(self):
        plain, message = self.encrypt("f", "--frame-size", "16", data=bytes(40))
        plain.unlink()
        good = message.read_bytes()
        for length in list(range(0, len(good), 7)) + [len(good) - 1]:
            message.write_bytes(good[:length])
            self.assertNotEqual(self.run_bulla("decrypt", "-r", self.key, message).returncode, OK)
            self.assertEqual(self.names(), ["f.bulla"])

    def test_bytes_behind_the_end_are_refused(self):
        plain, message = self.encrypt("f")
        plain.unlink()
        message.write_bytes(message.read_bytes() + b"\0")
        self.assertNotEqual(self.run_bulla("decrypt", "-r", self.key, message).returncode, OK)
        self.assertEqual(self.names(), ["f.bulla"])

    def test_base64_is_recognised(self):
        _, message = self.encrypt("f")
        text = base64.encodebytes(message.read_bytes())
        for verb in (("decrypt", "-r", self.key), ("inspect",)):
            self.bulla(*verb, stdin=text, status=CALLER)
            self.assertIn("base64", self.stderr)

    def test_missing_context_is_refused(self):
        plain, message = self.encrypt("f", "--context", "host=a", "--context", "what=backup")
        plain.unlink()
        self.bulla("decrypt", "-r", self.key, "--context", "host=b", message, status=FATAL)
        self.bulla("decrypt", "-r", self.key, "--context", "user=a", message, status=FATAL)
        self.assertEqual(self.names(), ["f.bulla"])
        self.bulla("decrypt", "-r", self.key, "--context", "what=backup", message)

    def test_nobody_to_encrypt_to_is_an_error(self):
        (self.dir / "f").write_bytes(b"x")
        self.bulla("encrypt", "f", status=CALLER)
        self.assertEqual(self.names(), ["f"])

    def test_keystore_that_was_named_must_be_there(self):
        _, message = self.encrypt("f")
        self.bulla("--store", self.dir / "nowhere", "decrypt", "-o", "g", message, status=CALLER)
        self.assertIn("there is no keystore in", self.stderr)

    def test_missing_input_is_no_output(self):
        self.bulla("encrypt", "-r", self.key, "nothing", status=CALLER)
        self.assertEqual(self.names(), [])

    def test_a_pipe_in_a_files_place_does_not_hang(self):
        os.mkfifo(self.dir / "pipe")
        self.bulla("encrypt", "-r", self.key, "pipe", status=CALLER, timeout=10)

    def test_read_only_folder_leaves_nothing(self):
        folder = self.dir / "closed"
        folder.mkdir()
        (folder / "f").write_bytes(b"x")
        folder.chmod(0o555)
        self.addCleanup(folder.chmod, 0o755)
        if os.access(folder, os.W_OK):
            self.skipTest("root writes everywhere")
        self.bulla("encrypt", "-r", self.key, "closed/f", status=CALLER)
        self.assertEqual(self.names("closed"), ["f"])

    def test_limit_of_a_files_size_is_an_error_and_no_death(self):
        (self.dir / "f").write_bytes(bytes(1 << 20))
        limit = (64 << 10, 64 << 10)

        def limited():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

        self.bulla("encrypt", "-r", self.key, "f", status=FATAL, preexec_fn=limited)
        self.assertIn("(ENOSPACE)", self.stderr)
        self.assertEqual(self.names(), ["f"])

    def test_file_that_changes_is_not_kept(self):
        # A file of the kernel that has another time whenever it is looked at would do; a second writer does too.
        path = self.dir / "busy"
        path.write_bytes(bytes(64 << 20))
        child = subprocess.Popen([BULLA, "encrypt", "-r", self.key, "-j", "1", "busy"], cwd=self.dir, env=self.env,
                                 stderr=subprocess.PIPE)
        while child.poll() is None:
            with open(path, "ab") as file:
                file.write(b"x")
        errors = child.communicate()[1]
        self.assertEqual(child.returncode, RETRY, errors)
        self.assertEqual(self.names(), ["busy"])


class Streams(CommandTest):
    def test_a_slow_reader_of_a_non_blocking_pipe_gets_everything(self):
        plaintext = os.urandom(1 << 20)
        (self.dir / "f").write_bytes(plaintext)
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        with subprocess.Popen([BULLA, "encrypt", "-q", "-r", self.key, "-o", "-", "f"], cwd=self.dir, env=self.env,
                              stdout=write_end) as running:
            os.close(write_end)
            time.sleep(0.3)
            with open(read_end, "rb") as pipe:
                message = pipe.read()
        self.assertEqual(running.returncode, OK)
        self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=message), plaintext)

    def test_stream_comes_back(self):
        data = os.urandom(1 << 20)
        message = self.bulla("encrypt", "-r", self.key, stdin=data)
        self.assertEqual(self.bulla("decrypt", "-r", self.key, "-", stdin=message), data)

    def test_cut_stream_says_to_throw_away(self):
        message = self.bulla("encrypt", "-r", self.key, "--frame-size", "4K", stdin=bytes(1 << 20))
        done = self.run_bulla("decrypt", "-r", self.key, stdin=message[:-100])
        self.assertEqual(done.returncode, FATAL)
        self.assertLess(len(done.stdout), 1 << 20)
        self.assertEqual(done.stdout.strip(b"\0"), b"")
        self.assertIn(b"standard input: ", done.stderr)
        self.assertIn(b"throw it away", done.stderr)

    def test_signed_stream_comes_back(self):
        message = self.bulla("encrypt", "-r", self.key, "--sign", stdin=b"signed")
        self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=message), b"signed")
        self.bulla("decrypt", "-r", self.key, "-o", "out", stdin=message)
        self.assertEqual((self.dir / "out").read_bytes(), b"signed")

    def test_signed_stream_is_verified_before_a_byte_is_seen(self):
        message = self.bulla("encrypt", "-r", self.key, "--sign", "--frame-size", "1K", stdin=bytes(10000))
        for bad in (message[:-1] + bytes([message[-1] ^ 1]), message[:-50]):
            self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=bad, status=FATAL), b"")

    def test_signed_file_that_is_changed_after_it_was_verified_is_not_looked_at_again(self):
        data = os.urandom(8 << 20)
        path = self.dir / "m"
        path.write_bytes(self.bulla("encrypt", "-r", self.key, "--sign", stdin=data))
        with subprocess.Popen([BULLA, "decrypt", "-r", self.key, "-o", "-", "m"], cwd=self.dir, env=self.env,
                              stdout=subprocess.PIPE) as running:
            seen = running.stdout.read(1)  # the first byte: the signature was checked, the rest waits for the reader
            with open(path, "r+b") as file:
                file.seek(4 << 20)
                file.write(bytes(1 << 20))
            seen += running.stdout.read()
        self.assertEqual(running.returncode, OK)
        self.assertEqual(seen, data)

    def test_no_room_to_keep_a_signed_message_is_said(self):
        message = self.bulla("encrypt", "-r", self.key, "--sign", stdin=bytes(1 << 20))
        limit = (256 << 10, 256 << 10)
        self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=message, status=FATAL,
                                    restore_signals=False,  # a write too far is an error then, no signal
                                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)), b"")
        self.assertIn("set TMPDIR, or say -o FILE", self.stderr)

    def test_signed_file_is_verified_before_a_byte_is_seen(self):
        message = self.bulla("encrypt", "-r", self.key, "--sign", "--frame-size", "1K", stdin=bytes(10000))
        (self.dir / "good").write_bytes(message)
        (self.dir / "bad").write_bytes(message[:-1] + bytes([message[-1] ^ 1]))
        self.assertEqual(self.bulla("decrypt", "-r", self.key, "-o", "-", "good"), bytes(10000))
        with open(self.dir / "good", "rb") as file:
            self.assertEqual(self.bulla("decrypt", "-r", self.key, stdin=file), bytes(10000))
        self.assertEqual(self.bulla("decrypt", "-r", self.key, "-o", "-", "bad", status=FATAL), b"")

    def test_ciphertext_is_kept_from_terminals(self):
        master, slave = pty.openpty()
        done = self.run_bulla("encrypt", "-r", self.key, stdin=b"x", stdout=slave)
        self.assertEqual(done.returncode, CALLER)
        done = self.run_bulla("encrypt", "-r", self.key, "-o", "-", stdin=b"x", stdout=slave)
        self.assertEqual(done.returncode, OK)
        os.close(master)
        os.close(slave)

    def test_reader_that_goes_away_is_an_error(self):
        child = subprocess.Popen([BULLA, "encrypt", "-r", self.key], cwd=self.dir, env=self.env,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.close()
        try:
            child.stdin.write(bytes(4 << 20))
            child.stdin.close()
        except BrokenPipeError:
            pass
        child.stdin = None
        child.stdout = None
        self.assertIn(b"Broken pipe", child.communicate()[1])
        self.assertEqual(child.returncode, FATAL)

    def test_signal_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            child = subprocess.Popen([BULLA, "encrypt", "-r", self.key, "-o", "out"], cwd=self.dir, env=self.env,
                                     stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            child.stdin.write(bytes(1 << 20))
            child.stdin.flush()
            time.sleep(0.2)
            child.send_signal(number)
            child.wait(20)
            self.assertEqual(child.returncode, 5)
            child.stdin.close()
            child.stderr.close()
            self.assertEqual(self.names(), [])

    def test_json_and_data_do_not_mix(self):
        self.bulla("encrypt", "-r", self.key, "--json", stdin=b"x", status=CALLER)


class Trees(CommandTest):
    def setUp(self):
        super().setUp()
        tree = self.dir / "tree"
        (tree / "a" / "b").mkdir(parents=True)
        (tree / "empty").mkdir(mode=0o750)
        (tree / "one").write_bytes(b"1")
        (tree / "a" / "two").write_bytes(b"22")
        (tree / "a" / "b" / "three").write_bytes(b"333")
        (tree / "a" / "b" / "three").chmod(0o600)

    def test_tree_comes_back(self):
        self.bulla("encrypt", "-r", self.key, "-R", "tree")
        self.bulla("decrypt", "-r", self.key, "-R", "-o", "back", "tree.bulla")
        listing = lambda name: {p.relative_to(self.dir / name): (p.stat().st_mode, p.stat().st_mtime_ns, p.is_file() and
                                p.read_bytes()) for p in (self.dir / name).rglob("*")}
        self.assertEqual(listing("back"), listing("tree"))
        self.assertIn("decrypted 3 files", self.stderr)

    def test_links_are_not_followed(self):
        outside = self.dir / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"s")
        (self.dir / "tree" / "link").symlink_to(outside)
        (self.dir / "tree" / "file").symlink_to(outside / "secret")
        os.mkfifo(self.dir / "tree" / "pipe")
        self.bulla("encrypt", "-r", self.key, "-R", "tree")
        self.assertEqual(self.names("tree.bulla"), ["a", "empty", "one.bulla"])
        self.assertIn("3 skipped", self.stderr)
        self.assertIn("tree/link: skipped: a symbolic link", self.stderr)

    def test_results_do_not_go_through_links(self):
        outside = self.dir / "outside"
        outside.mkdir()
        (self.dir / "out").mkdir()
        (self.dir / "out" / "a").symlink_to(outside)
        self.bulla("encrypt", "-r", self.key, "-R", "-o", "out", "tree", status=CALLER)
        self.assertEqual(self.names("outside"), [])
        self.assertIn("out/one.bulla", [str(p.relative_to(self.dir)) for p in (self.dir / "out").iterdir()])

    def test_results_inside_the_tree_end(self):
        self.bulla("encrypt", "-r", self.key, "-R", "-o", "tree/out", "tree", status=CALLER, timeout=20)
        self.assertIn("outside the tree", self.stderr)
        self.bulla("encrypt", "-r", self.key, "-R", "-o", "tree", "tree", status=CALLER, timeout=20)

    def test_one_bad_file_among_many(self):
        self.bulla("encrypt", "-r", self.key, "-R", "tree")
        (self.dir / "tree.bulla" / "a" / "two.bulla").write_bytes(b"not a message")
        self.bulla("decrypt", "-r", self.key, "-R", "-o", "back", "tree.bulla", status=CALLER)
        self.assertIn("decrypted 2 files, 1 failed", self.stderr)
        self.assertEqual(self.names("back/a"), ["b"])
        self.assertEqual((self.dir / "back/a/b/three").read_bytes(), b"333")

    def test_gravest_failure_decides(self):
        _, message = self.encrypt("f")
        message.write_bytes(message.read_bytes()[:-1])
        self.bulla("decrypt", "-r", self.key, "-f", "nothing.bulla", "f.bulla", status=FATAL)

    def test_folder_without_recursion_is_refused(self):
        self.bulla("encrypt", "-r", self.key, "tree", status=CALLER)
        self.assertIn("-R", self.stderr)

    def test_several_go_into_a_folder(self):
        (self.dir / "f").write_bytes(b"f")
        self.bulla("encrypt", "-r", self.key, "-R", "-o", "out", "f", "tree")
        self.assertEqual(self.names("out"), ["f.bulla", "tree.bulla"])

    def test_with_json_every_line_on_standard_error_is_an_object(self):
        os.symlink("a", self.dir / "tree" / "link")
        self.bulla("encrypt", "-vv", "--json", "-r", self.key, "-R", "-o", "out", "tree", "nothing", status=CALLER)
        said = [json.loads(line) for line in self.stderr.splitlines()]
        self.assertEqual([name for line in said for name in line], ["log", "note", "error", "note"])
        self.assertEqual(said[0]["log"]["level"], "warning")
        self.assertIn("skipped: a symbolic link", said[1]["note"])

    def test_several_of_one_name_do_not_replace_each_other(self):
        for folder in ("a", "b"):
            (self.dir / folder).mkdir()
            (self.dir / folder / "f").write_bytes(folder.encode())
        self.bulla("encrypt", "-r", self.key, "-f", "-R", "-o", "out", "a/f", "tree", "b/f", status=CALLER)
        self.assertIn("would have one result in out", self.stderr)
        self.assertNotIn("out", self.names())
        self.bulla("encrypt", "-r", self.key, "a/f", "b/f")

    def test_deep_trees_end_with_an_error(self):
        path = self.dir / "deep"
        path.mkdir()
        folder = os.open(path, os.O_RDONLY)
        for _ in range(140):
            os.mkdir("d", dir_fd=folder)
            deeper = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = deeper
        os.close(folder)
        self.bulla("encrypt", "-r", self.key, "-R", "deep", status=CALLER)
        self.assertIn("folders inside one another", self.stderr)

    def test_decrypt_skips_what_is_no_message(self):
        self.bulla("encrypt", "-r", self.key, "-R", "tree")
        (self.dir / "tree.bulla" / "README").write_bytes(b"x")
        self.bulla("decrypt", "-r", self.key, "-R", "-o", "back", "tree.bulla")
        self.assertIn("1 skipped", self.stderr)


class SmallDisk(CommandTest):
    def setUp(self):
        super().setUp()
        self.disk = self.dir / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", self.disk], check=False,
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no right to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)

    def test_full_disk_leaves_nothing(self):
        (self.dir / "f").write_bytes(bytes(1 << 20))
        self.bulla("encrypt", "-r", self.key, "-o", "disk/f.bulla", "f", status=FATAL)
        self.assertIn("No space left", self.stderr)
        self.assertEqual(self.names("disk"), [])

    def test_full_disk_keeps_the_old_output(self):
        (self.disk / "f.bulla").write_bytes(b"old")
        (self.dir / "f").write_bytes(bytes(1 << 20))
        self.bulla("encrypt", "-r", self.key, "-f", "-o", "disk/f.bulla", "f", status=FATAL)
        self.assertEqual((self.disk / "f.bulla").read_bytes(), b"old")
        self.assertEqual(self.names("disk"), ["f.bulla"])


if __name__ == "__main__":
    unittest.main()
