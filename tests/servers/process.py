# SPDX-License-Identifier: Apache-2.0
"""A server of the tests: a child process with a loopback port and a folder of its own, that ends when we end."""
import concurrent.futures
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
READY_SECONDS = float(os.environ.get("BULLA_SERVERS_READY_SECONDS", "90"))
STOP_SECONDS = 10
ATTEMPTS = 3

# The kernel ends a child when the thread that made it ends, so all children come from one thread that lives as long as
# the program does.
_maker = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


class Missing(Exception):
    """Something is not installed; the text says what and how to get it."""


class Spared(Missing):
    """The same of something that not every machine can have, so that it may be missing everywhere."""


class Failed(Exception):
    """A server did not do what it was asked to."""


class Ended(Failed):
    """It ended by itself, as one does whose port somebody else took first."""


def installed(*parts):
    """The path of something that tools/servers-setup has made."""
    folder = Path(os.environ.get("BULLA_SERVERS_DIR") or HERE.parent.parent / "build" / "servers")
    path = folder.joinpath(*parts)
    if not path.exists():
        raise Missing(f"{path} is not there; run tools/servers-setup {folder}")
    return path


def tool(name, package):
    """The path of a program of the system."""
    path = shutil.which(name)
    if not path:
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return path


def exit_missing(reason):
    """Ends this program as a skip, or as a failure where nothing may be skipped. reason: a Missing."""
    print(f"skipped: {reason}", flush=True)
    sys.exit(1 if os.environ.get("BULLA_REQUIRE") == "1" and not isinstance(reason, Spared) else 77)


def free_port():
    """Below those that the kernel gives to clients (32768 and up), so that no connection takes it meanwhile."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def spawn(command, log, env=None, cwd=None):
    """Starts a child that gets SIGKILL when this program ends in whatever way."""
    line = [tool("setpriv", "util-linux"), "--pdeathsig", "KILL", "--", *map(str, command)]
    with open(log, "ab") as output:
        return _maker.submit(subprocess.Popen, line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env,
                             cwd=cwd, start_new_session=True).result()


def wait_until(check, what, seconds=None, alive=lambda: True):
    """Asks check() until it says yes; OSError means no."""
    end = time.monotonic() + (seconds or READY_SECONDS)
    while time.monotonic() < end:
        try:
            if check():
                return
        except OSError:
            pass
        if not alive():
            raise Ended(f"{what}: the process has ended")
        time.sleep(0.05)
    raise Failed(f"{what}: not within {seconds or READY_SECONDS:.0f} seconds")


class Server:
    """What every server has. A subclass says its name, its command, when it is ready, and what to know about it."""

    name = "server"
    # Below the folder of tools/servers-setup.
    program = ()
    # What run.py lets a test do in mid-flight.
    verbs = ("start", "stop", "kill", "restart", "pause", "resume", "pid", "describe")

    def __init__(self):
        self.folder = None
        self.child = None
        self.env = None

    @classmethod
    def check(cls):
        """Missing when it is not installed."""
        installed(*cls.program)

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def describe(self):
        """Addresses, names and credentials, as JSON would hold them."""
        raise NotImplementedError

    def variables(self):
        """What has to be in the environment of a program that uses it, under these very names."""
        return {}

    def prepare(self):
        """Before the first start: files, certificates."""

    def fill(self):
        """After the first start: keys, users, policies."""

    def __enter__(self):
        self.check()
        for attempt in range(ATTEMPTS):
            try:
                self.open()
                return self
            except BaseException as error:
                self.close()
                if not isinstance(error, Ended) or attempt + 1 == ATTEMPTS:
                    raise

    def open(self):
        self.folder = Path(tempfile.mkdtemp(prefix=f"bulla-{self.name}-"))
        self.prepare()
        self.start()
        self.fill()

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_file(self):
        folder = Path(os.environ.get("BULLA_SERVERS_DIR") or HERE.parent.parent / "build" / "servers") / "log"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.name}-{os.getpid()}.log"

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def start(self):
        if self.is_running():
            return
        self.child = spawn(self.command(), self.log_file(), self.env, self.folder)
        try:
            wait_until(self.is_ready, f"start of {self.name} (log: {self.log_file()})", alive=self.is_running)
        except Failed:
            self.kill()
            raise

    def end(self, number):
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)  # one that is paused would not hear
            self.child.send_signal(number)
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child = None

    def stop(self):
        """Asks it to end, as an administrator does."""
        self.end(signal.SIGTERM)

    def kill(self):
        """Ends it without a word, as a crash does."""
        self.end(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def pid(self):
        return self.child.pid

    def pause(self):
        """Connections are accepted by the kernel, and nobody answers."""
        self.child.send_signal(signal.SIGSTOP)

    def resume(self):
        self.child.send_signal(signal.SIGCONT)
