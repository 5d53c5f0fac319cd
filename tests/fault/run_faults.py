#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails every allocation and every system call of the main commands in turn, and looks at what is left.

After each run: no crash; success only with the right result; else nothing half done, no temporary file, the inputs as
they were, and a keystore that `bulla verify store` finds whole. Few calls are all tried; of the many allocations a
sample. With --all or BULLA_SLOW=1 also those that the program comes to by calls by which it came to none before, or to
one only: a loop's third time is like its second. With --every all of them, which takes hours.
"""
import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLE = 64  # runs of one command and kind of fault
SAME_CALLS = 2  # allocations by the same calls that --all tries
UNSURE = 4


class Broken(Exception):
    """What a run left behind is not what it may leave."""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listing(root):
    """Every path below `root` with its content's digest."""
    return {str(p.relative_to(root)): digest(p) if p.is_file() else "" for p in sorted(root.rglob("*"))}


class Bench:
    """One folder that is set up the same way before each run; addresses in the keystore stay valid that way."""

    def __init__(self, bulla, shim, root):
        self.bulla, self.shim = bulla, shim
        self.work, self.master = root / "work", root / "master"
        self.report = root / "report"
        self.is_fresh = False  # the folder is as it was set up
        self.env = {"PATH": os.environ["PATH"], "HOME": str(root), "BULLA_CONFIG": str(root / "bulla.yaml")}
        (root / "bulla.yaml").write_text(f"keystore:\n  path: {self.work / 'store'}\n")

    def run(self, *args, fault=None, stdin=b""):
        env = dict(self.env)
        self.is_fresh = False
        if fault is not None:
            self.report.unlink(missing_ok=True)
            env.update(LD_PRELOAD=str(self.shim), FAULT_REPORT=str(self.report), **fault)
        return subprocess.run([str(self.bulla), *args], cwd=self.work, env=env, input=stdin, capture_output=True,
                              timeout=120, check=False)

    def must(self, *args, **options):
        done = self.run(*args, **options)
        if done.returncode != 0:
            raise Broken(f"{' '.join(args)}: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def reported(self, word):
        lines = self.report.read_text().splitlines() if self.report.exists() else []
        return [line for line in lines if line.startswith(word)]

    def set_up(self, scenario):
        """Makes the scenario's folder once; later runs get copies."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.master, ignore_errors=True)
        self.work.mkdir()
        scenario.prepare(self)
        shutil.copytree(self.work, self.master)
        self.is_fresh = True

    def reset(self):
        if self.is_fresh:
            return
        shutil.rmtree(self.work)
        shutil.copytree(self.master, self.work)
        self.is_fresh = True


class Scenario:
    """A command, the files it may make when it succeeds, and what must be true afterwards."""

    makes = ()
    store = True  # there is a keystore before
    env = {}  # for the command under test

    def prepare(self, bench):
        bench.must("init", "--root", f"file:{bench.work / 'root.key'}")
        bench.must("key", "create", "files")
        (bench.work / "plain").write_bytes(b"some words\n" * 30000)
        bench.must("encrypt", "-r", "local:files", "-o", "message.bulla", "plain")

    def args(self, bench):
        raise NotImplementedError

    def check_done(self, bench):
        """After exit 0."""

    def check_failed(self, bench):
        """After any other exit; the same command must still be possible."""


class Init(Scenario):
    makes = ("store", "root.key")
    store = False

    def prepare(self, bench):
        (bench.work / "plain").write_bytes(b"x")

    def args(self, bench):
        return ["init", "--root", f"file:{bench.work / 'root.key'}"]

    def check_done(self, bench):
        bench.must("verify", "store")

    def check_failed(self, bench):
        if not (bench.work / "store").exists() or bench.run("verify", "store").returncode != 0:
            bench.must(*self.args(bench))
        bench.must("verify", "store")


class Create(Scenario):
    def args(self, bench):
        return ["key", "create", "more"]

    def check_done(self, bench):
        bench.must("key", "show", "more")

    def check_failed(self, bench):
        if bench.run("key", "show", "more").returncode != 0:
            bench.must("key", "create", "more")


class Rotate(Scenario):
    def args(self, bench):
        return ["key", "rotate", "files"]

    def check_done(self, bench):
        bench.must("decrypt", "-o", "again", "message.bulla")

    check_failed = check_done


class MakesFile(Scenario):
    """One file that is there whole or not at all, even after a kill."""

    def check_failed(self, bench):
        if (bench.work / self.makes[0]).exists():
            self.check_done(bench)


class Encrypt(MakesFile):
    makes = ("plain.bulla",)

    def args(self, bench):
        return ["encrypt", "-r", "local:files", "plain"]

    def check_done(self, bench):
        bench.must("decrypt", "-o", "again", "plain.bulla")
        if digest(bench.work / "again") != digest(bench.work / "plain"):
            raise Broken("what was encrypted does not come back")


class EncryptOldFs(Encrypt):
    """On a file system that knows only files with names."""

    env = {"FAULT_OLD_FS": "1"}


class Decrypt(MakesFile):
    makes = ("message",)

    def args(self, bench):
        return ["decrypt", "message.bulla"]

    def check_done(self, bench):
        if digest(bench.work / "message") != digest(bench.work / "plain"):
            raise Broken("the decrypted file is not the one that was encrypted")


class Rewrap(Scenario):
    """In place: old header or new header, and either opens."""

    changes = ("message.bulla",)
    extra = ()

    def prepare(self, bench):
        super().prepare(bench)
        bench.must("key", "rotate", "files")
        (bench.work / "other.key").write_bytes(bytes(range(32)))
        (bench.work / "other.key").chmod(0o600)

    def args(self, bench):
        return ["rewrap", *self.extra, "message.bulla"]

    def check_done(self, bench):
        bench.must("decrypt", "-o", "again", "message.bulla")
        if digest(bench.work / "again") != digest(bench.work / "plain"):
            raise Broken("the rewrapped message does not open")

    check_failed = check_done


class RewrapCopy(Rewrap):
    """By a new file: the header grows."""

    def prepare(self, bench):
        super().prepare(bench)
        self.extra = ("--add", f"file:{bench.work / 'other.key'}?namespace=n&name=k")


class RewrapOldFs(RewrapCopy):
    env = {"FAULT_OLD_FS": "1"}


class Backup(MakesFile):
    makes = ("keys.backup",)

    def args(self, bench):
        return ["backup", "-o", "keys.backup"]

    def check_done(self, bench):
        bench.must("--store", str(bench.work / "second"), "restore", "keys.backup")
        bench.must("--store", str(bench.work / "second"), "verify", "store")


class Restore(Scenario):
    makes = ("second",)

    def prepare(self, bench):
        super().prepare(bench)
        bench.must("backup", "-o", "keys.backup")

    def args(self, bench):
        return ["--store", str(bench.work / "second"), "restore", "keys.backup"]

    def check_done(self, bench):
        bench.must("--store", str(bench.work / "second"), "verify", "store")

    def check_failed(self, bench):
        if bench.run("--store", str(bench.work / "second"), "verify", "store").returncode != 0:
            bench.must(*self.args(bench))
        self.check_done(bench)


SCENARIOS = {
    "init": Init(),
    "create": Create(),
    "rotate": Rotate(),
    "encrypt": Encrypt(),
    "encrypt-old-fs": EncryptOldFs(),
    "decrypt": Decrypt(),
    "rewrap": Rewrap(),
    "rewrap-copy": RewrapCopy(),
    "rewrap-old-fs": RewrapOldFs(),
    "backup": Backup(),
    "restore": Restore(),
}


def is_inside(path, names):
    return any(path == name or path.startswith(name + "/") for name in names)


def check_files(bench, scenario, status, before):
    """Nothing but what the command makes is new, and nothing that was there is touched but what it changes."""
    after = listing(bench.work)
    changes = getattr(scenario, "changes", ()) + (("store",) if scenario.store else ())
    for path in before.keys() | after.keys():
        if ".bulla-" in path:
            raise Broken(f"temporary file left: {path}")
        if is_inside(path, scenario.makes) and (status in (0, UNSURE) or path in ("store", "root.key", "second")):
            continue  # a folder or a root key that was made first may stay; a second try uses it
        if is_inside(path, scenario.makes) and path.startswith(("store/", "second/")):
            continue  # judged by the scenario: whole, or no obstacle to the next try
        if not is_inside(path, changes) and before.get(path) != after.get(path):
            raise Broken(f"{path} was {'made' if path not in before else 'changed or removed'}")


def check_status(done):
    status = done.returncode
    if status < 0:
        raise Broken(f"killed by signal {-status}")
    if status > 5:
        raise Broken(f"exit code {status}")
    if status != 0 and not done.stderr.startswith((b"bulla", b"{")):
        raise Broken(f"no reason was told: {done.stderr!r}")


def check_result(bench, scenario, status):
    if scenario.store:
        bench.must("verify", "store")
    if status == 0:
        scenario.check_done(bench)
    else:
        scenario.check_failed(bench)


def sample(count):
    """Which of 1…count to try: the first ones and an even sample of the rest."""
    if count <= SAMPLE:
        return range(1, count + 1)
    first = SAMPLE // 3
    rest = SAMPLE - first
    return list(range(1, first + 1)) + [first + 1 + i * (count - first - 1) // (rest - 1) for i in range(rest)]


def kinds_of(effort):
    """Name, variable, what follows the number, and whether it is allocations."""
    kinds = [("no memory", "FAULT_ALLOC", "", True), ("EIO", "FAULT_IO", ":EIO", False),
             ("full from then on", "FAULT_IO", "+:ENOSPC", False), ("killed", "FAULT_IO", ":KILL", False)]
    return kinds + ([("no memory from then on", "FAULT_ALLOC", "+", True)] if effort != "sample" else [])


def run_whole(bench, scenario, **fault):
    bench.reset()
    done = bench.run(*scenario.args(bench), fault={**scenario.env, **fault})
    if done.returncode != 0:
        raise Broken(f"without a fault: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}")


def count_calls(bench, scenario):
    run_whole(bench, scenario)
    words = bench.reported("count")[-1].split()
    return int(words[2]), int(words[4])


def alloc_points(bench, scenario, count, effort):
    if effort == "every":
        return range(1, count + 1)
    if effort == "sample":
        return sample(count)
    run_whole(bench, scenario, FAULT_STACKS=str(SAME_CALLS))
    stacks = {int(line.split()[1]) for line in bench.reported("stack")}
    if not stacks:
        raise Broken("the shim reports no stacks")
    return sorted(stacks | set(sample(count)))


def try_point(bench, scenario, kind, number, before):
    name, variable, rest, _ = kind
    bench.reset()
    done = bench.run(*scenario.args(bench), fault={**scenario.env, variable: f"{number}{rest}"})
    if name == "killed":
        if done.returncode not in (0, -9):
            raise Broken(f"exit code {done.returncode}")
    else:
        check_status(done)
    # From where it began the same command is possible and the keystore whole: run_scenario has seen that.
    if done.returncode != 0 and listing(bench.work) == before:
        bench.is_fresh = True
        return
    if name == "killed":
        # A kill may leave temporary files of file systems without nameless ones, and half a restore; not half a result.
        check_result(bench, scenario, -9)
    else:
        check_files(bench, scenario, done.returncode, before)
        check_result(bench, scenario, done.returncode)


def run_scenario(bench, name, scenario, effort):
    failures = runs = 0
    bench.set_up(scenario)
    before = listing(bench.work)
    num_allocs, num_calls = count_calls(bench, scenario)
    calls = sample(num_calls) if effort == "sample" else range(1, num_calls + 1)
    numbers = {True: alloc_points(bench, scenario, num_allocs, effort), False: calls}
    bench.reset()
    check_result(bench, scenario, 1)
    for kind in kinds_of(effort):
        for number in numbers[kind[3]]:
            runs += 1
            try:
                try_point(bench, scenario, kind, number, before)
            except (Broken, subprocess.TimeoutExpired) as error:
                failures += 1
                fired = " ".join(bench.reported("fired")[:1])
                print(f"FAIL {name}, {kind[0]} at {number} ({fired}): {error}")
    print(f"{name}: {runs} faults ({num_allocs} allocations, {num_calls} calls), {failures} failures", flush=True)
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bulla", type=Path, required=True)
    parser.add_argument("--shim", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="allocations by all calls instead of a sample")
    parser.add_argument("--every", action="store_true", help="every allocation")
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS), help=", ".join(SCENARIOS))
    options = parser.parse_args()
    is_long = options.all or os.environ.get("BULLA_SLOW") == "1"
    effort = "every" if options.every else "all" if is_long else "sample"
    with tempfile.TemporaryDirectory(prefix="bulla-faults-") as folder:
        bench = Bench(options.bulla.resolve(), options.shim.resolve(), Path(folder))
        failures = sum(run_scenario(bench, name, SCENARIOS[name], effort) for name in options.scenarios)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
