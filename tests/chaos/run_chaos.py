#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A service before a key store on its bad days, with Bulla's stack of wrappers and without.

    run_chaos.py [--driver PATH] [--long] [--only PART]

The driver (chaos.c) works on; this makes faults in front of a real OpenBao, prints a table and a line of JSON, and
fails when the stack does not keep what docs/guide/resilience.md promises. PART: network, peak, lies, tls, names, refusal;
and clock, which is done only when it is named, and before moto as AWS KMS.
"""
import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUN = HERE.parent / "servers" / "run.py"
sys.path.insert(0, str(HERE))
from fronts import LyingFront, SkewedFront, TlsBreaker  # noqa: E402

THREADS = 4
POOL = 8 * 3  # descriptors of the connections that may be kept: a socket and libcurl's pair to wake it, each
RATE_LIMIT = 1.2  # of requests after an outage, to the usual ones


def control(*words):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(180)
        connection.connect(os.environ["BULLA_SERVERS_CONTROL"])
        connection.sendall(" ".join(words).encode() + b"\n")
        word, _, rest = connection.makefile("r").readline().strip().partition(" ")
    if word != "ok":
        sys.exit(f"run_chaos: {' '.join(words)}: {rest}")
    return json.loads(rest)


def calls_of(row):
    return row["known"] + row["other"] + row["encrypt"]


def proxy(*words):
    return lambda: control("openbao-proxy", *words)


def bao(*words):
    return lambda: control("openbao", *words)


class Driver:
    """chaos.c, with the stack or bare."""

    def __init__(self, options, mode, address, prefix=(), **facts):
        settings = {f"BULLA_CHAOS_{key}".upper(): str(value) for key, value in facts.items()}
        self.mode = mode
        self.child = subprocess.Popen(
            [*prefix, options.driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "BULLA_CHAOS_MODE": mode, "BULLA_CHAOS_ADDR": address, "BULLA_CHAOS_KEY": options.key,
                 "BULLA_CHAOS_FILE": options.file, "BULLA_CHAOS_THREADS": str(THREADS), **settings})
        self.take()

    def tell(self, *words):
        print(*words, file=self.child.stdin, flush=True)

    def take(self):
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"run_chaos: the driver ({self.mode}) ended with {self.child.wait()}")
        return json.loads(line)

    def ask(self, *words):
        self.tell(*words)
        return self.take()

    def close(self):
        self.child.stdin.close()
        if self.child.wait(60) != 0:
            sys.exit(f"run_chaos: the driver ({self.mode}) ended with {self.child.returncode}")


class Chaos:
    def __init__(self, options):
        self.options = options
        self.rows, self.broken, self.said = [], [], []
        self.second = 5 if options.long else 1
        self.rate = options.rate

    def claim(self, is_kept, words):
        self.said.append(f"{'kept  ' if is_kept else 'BROKEN'} {words}")
        if not is_kept:
            self.broken.append(words)

    def row(self, fault, driver, result):
        self.rows.append({"fault": fault, "mode": driver.mode, **result})
        if result["wrong"]:
            self.claim(False, f"{fault}, {driver.mode}: {result['wrong']} wrong keys or plaintexts")
        return result

    def load(self, fault, drivers, seconds):
        for driver in drivers:
            driver.tell("load", int(seconds * 1000), self.rate)
        return [self.row(fault, driver, driver.take()) for driver in drivers]

    def settle(self, drivers):
        for driver in drivers:
            answer = driver.ask("settle", 20000)
            if not answer["is_settled"]:
                self.claim(False, f"{driver.mode}: does not work again: {answer['why']}")

    def under(self, fault, drivers, begin, end, seconds):
        begin()
        try:
            return self.load(fault, drivers, seconds)
        finally:
            end()
            self.settle(drivers)

    def pair(self, address, **facts):
        return [Driver(self.options, mode, address, **facts) for mode in ("stack", "bare")]

    # -- parts

    def outage(self, name, drivers, begin, usual, seconds):
        """All is gone, and comes back: nobody may fail, nor may all come at once."""
        begin()
        stack, _ = self.load(f"outage: {name}", drivers, seconds)
        proxy("clear")()
        after = self.load(f"after it: {name}", drivers, 3 * self.second)[0]
        self.claim(stack["known"] > 0 and stack["known_failed"] == 0,
                   f"{name} for {seconds} s: {stack['known_failed']} of {stack['known']} decrypts of known data keys failed"
                   f" {stack['known_why']}")
        self.claim(stack["encrypt"] > 0 and stack["encrypt_failed"] == 0,
                   f"{name} for {seconds} s: {stack['encrypt_failed']} of {stack['encrypt']} messages for 1 of 2 recipients "
                   f"failed {stack['encrypt_why']}")
        self.claim(after["known"] > 0 and after["known_failed"] == 0,
                   f"{name}: after it {after['known_failed']} of {after['known']} decrypts of known data keys failed "
                   f"{after['known_why']}")
        self.settle(drivers)
        self.no_stampede(name, usual, after)

    def no_stampede(self, name, usual, after):
        # By time and by call: a machine that is busier at one time than at the other changes the one, a stampede both.
        by_time = (after["requests"] / after["ms"]) / (usual["requests"] / usual["ms"])
        by_call = (after["requests"] / calls_of(after)) / (usual["requests"] / calls_of(usual))
        self.claim(min(by_time, by_call) <= RATE_LIMIT,
                   f"{name}: after it {by_time:.2f} of the usual requests a second, {by_call:.2f} of those a call (at most "
                   f"{RATE_LIMIT})")
        by_time, by_call = (after[fact] / usual[fact] for fact in ("peak", "peak_per_call"))
        self.claim(min(by_time, by_call) <= RATE_LIMIT,
                   f"{name}: in the busiest second after it {after['peak']} requests, in that before {usual['peak']}: "
                   f"{by_time:.2f} by time, {by_call:.2f} by call (at most {RATE_LIMIT})")

    def network(self):
        # Twice the outage: the breaker learns of its end a little later.
        drivers = self.pair(os.environ["BULLA_OPENBAO_PROXY_ADDR"], offline_ms=120000 if self.options.long else 60000)
        stack = drivers[0]
        usual = self.load("none", drivers, 4 * self.second)[0]
        self.claim(usual["known_failed"] + usual["other_failed"] + usual["encrypt_failed"] == 0 and usual["requests"] > 0,
                   f"nothing fails without faults {usual['known_why']}{usual['other_why']}{usual['encrypt_why']}")
        outage = 60 if self.options.long else 6
        self.outage("refused", drivers, proxy("down"), usual, outage)
        before = stack.ask("facts")
        self.outage("black hole", drivers, proxy("toxic", "timeout", "stream=upstream", "timeout=0"), usual, outage)
        clear = proxy("clear")
        for name, begin, end in (
                ("latency 200 ms", proxy("toxic", "latency", "latency=200", "jitter=50"), clear),
                ("resets, one in two", proxy("toxic", "reset_peer", "timeout=0", "toxicity=0.5"), clear),
                ("slow close", proxy("toxic", "slow_close", "delay=500"), clear),
                ("body cut short", proxy("toxic", "limit_data", "bytes=200"), clear),
                ("slow body", proxy("toxic", "slicer", "average_size=20", "size_variation=10", "delay=5000"), clear),
                ("1 KB/s", proxy("toxic", "bandwidth", "rate=1"), clear),
                ("429 storm", bao("rate-limit", "20"), bao("rate-limit", "0")),
                ("503: sealed", bao("seal"), bao("unseal"))):
            self.under(name, drivers, begin, end, 2 * self.second)
        self.load("none, at the end", drivers, 2 * self.second)
        self.flat(drivers, before)

    def flat(self, drivers, before):
        after = drivers[0].ask("facts")
        made = sum(calls_of(row) for row in self.rows if row["mode"] == "stack")
        words = ", ".join(f"{name} {before[name]} -> {after[name]}" for name in ("threads", "descriptors", "rss_kib"))
        self.claim(after["threads"] <= before["threads"] + 4 and after["descriptors"] <= before["descriptors"] + POOL
                   and after["rss_kib"] <= before["rss_kib"] * 1.1 + 2048, f"flat over {made} calls: {words}")
        if self.options.long:
            self.claim(made >= 100000, f"{made} calls (at least 100,000)")
        self.claim(after["offline_hits"] > 0, f"{after['offline_hits']} answers came from the offline window")
        for driver in drivers:
            driver.close()

    def peak(self):
        """Many data keys, all of them in use and all past their time when the outage ends: who asks for them, and when?"""
        drivers = self.pair(os.environ["BULLA_OPENBAO_PROXY_ADDR"], known=256, raw=0, ttl_ms=6000, offline_ms=120000)
        usual = self.load("none, 256 keys", drivers, 18)
        proxy("down")()
        self.load("outage, 256 keys", drivers, 9)
        proxy("clear")()
        after = self.load("after it, 256 keys", drivers, 12)
        for driver, before, now in zip(drivers, usual, after):
            self.claim(driver.mode == "bare" or now["known_failed"] == 0,
                       f"256 keys, {driver.mode}: after it {now['known_failed']} of {now['known']} decrypts failed "
                       f"{now['known_why']}")
            self.no_stampede(f"256 keys, {driver.mode}", before, now)
            driver.close()

    def lies(self):
        front = LyingFront(os.environ["BULLA_OPENBAO_ADDR"])

        def lie(kind):
            front.fault = kind
        for kinds, facts in ((("garbage", "html", "truncated", "empty", "other-type"), {}), (("swapped",), {"raw": 0, "ttl_ms": 2500})):
            drivers = self.pair(front.address, **facts)
            for kind in kinds:
                self.under(f"200 and {kind}", drivers, lambda kind=kind: lie(kind), lambda: lie(None), 1.5 * self.second)
            if kinds == ("swapped",):
                self.mended(drivers)
            for driver in drivers:
                driver.close()
        wrong = sum(row["wrong"] for row in self.rows if row["fault"].startswith("200 and"))
        self.claim(front.lies > 0 and wrong == 0, f"{front.lies} wrong bodies, {wrong} wrong keys or plaintexts")

    def mended(self, drivers):
        """What was answered wrongly is in the cache for a second or two more, or until somebody notices."""
        after = self.load("after it: swapped", drivers, 2)[0]
        self.claim(after["known_failed"] <= after["known"] / 10,
                   f"after swapped answers {after['known_failed']} of {after['known']} decrypts failed {after['known_why']}")

    def tls(self):
        breaker = TlsBreaker(os.environ["BULLA_OPENBAO_TLS_ADDR"])
        drivers = self.pair(breaker.address, ca=os.environ["BULLA_OPENBAO_CA"])
        for kind in ("alert", "noise", "half-close"):
            results = self.under(f"TLS: {kind}", drivers, lambda kind=kind: breaker.begin(kind),
                                 lambda: breaker.begin(None), 1.5 * self.second)
            self.claim(results[0]["known_failed"] + results[0]["encrypt_failed"] == 0,
                       f"TLS {kind}: {results[0]['known_failed']} decrypts of known data keys, "
                       f"{results[0]['encrypt_failed']} messages for 1 of 2 recipients failed")
        for driver in drivers:
            driver.close()

    def names(self):
        """The store's name stops to resolve and its connections end. Needs a mount namespace: a file of hosts of its own."""
        hosts = Path(self.options.folder) / "hosts"
        known = "127.0.0.1 localhost chaos.bulla.test\n"
        hosts.write_text(known)
        prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$0"']
        if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            print("names: skipped, this machine lets nobody have a mount namespace")
            return
        front = os.environ["BULLA_OPENBAO_PROXY_ADDR"].replace("127.0.0.1", "chaos.bulla.test")
        drivers = self.pair(front, prefix=prefix)

        def lose():
            hosts.write_text("127.0.0.1 localhost\n")
            proxy("down")()
            time.sleep(0.2)
            proxy("up")()
        results = self.under("name lost", drivers, lose, lambda: hosts.write_text(known), 15 if self.options.long else 3)
        self.claim(results[0]["known_failed"] + results[0]["encrypt_failed"] == 0,
                   f"name lost: {results[0]['known_failed']} decrypts of known data keys, "
                   f"{results[0]['encrypt_failed']} messages for 1 of 2 recipients failed")
        for driver in drivers:
            driver.close()

    def clock(self):
        """The store's clock jumps, and then our own: a signature at the wrong time is refused, and made anew at the right one."""
        front = SkewedFront(os.environ["BULLA_MOTO_ADDR"])
        hour, day = 3600, 86400 * 1000
        # Nothing ends by the wall: what is in the cache stays there for ten minutes, and is not renewed for five.
        drivers = self.pair(front.address, store="aws", key=os.environ["BULLA_MOTO_KEY_ARN"], ttl_ms=600000)
        misses = drivers[0].ask("facts")["misses"]

        def own(off):
            for driver in drivers:
                driver.ask("clock", off)
        cases = (("none, AWS", lambda: None), ("the store's clock: 1 h ahead", lambda: setattr(front, "skew", hour)),
                 ("the store's clock: 1 h behind", lambda: setattr(front, "skew", -hour)),
                 ("own clock: 1 day ahead", lambda: own(day)), ("own clock: 1 day behind", lambda: own(-day)),
                 ("both right", lambda: (own(0), setattr(front, "skew", 0))))
        for name, begin in cases:
            refused = front.refused
            begin()
            rows = self.load(name, drivers, 1.5 * self.second)
            refused = front.refused - refused
            failed = sum(row[kind + "_failed"] for row in rows for kind in ("known", "other", "encrypt"))
            # At most those that are under way at that moment, each of them once.
            self.claim(failed == 0 and (refused > 0) == (name != "none, AWS") and refused <= 2 * THREADS,
                       f"{name}: {failed} of {sum(map(calls_of, rows))} calls failed, {refused} signatures were of the wrong "
                       f"time {rows[0]['known_why']}{rows[1]['known_why']}")
        facts = drivers[0].ask("facts")
        others = sum(row["other"] for row in self.rows if row["mode"] == "stack")
        self.claim(facts["refreshed"] == 0 and facts["misses"] - misses <= others,
                   f"a clock that jumps by days ends no entry: {facts['misses'] - misses} misses of {others} data keys that were "
                   f"not at hand, {facts['refreshed']} renewals")
        for driver in drivers:
            driver.close()

    def refusal(self):
        """A key that is taken away stops to work everywhere within the bound that the cache names."""
        request = bao("request", "POST", f"transit/keys/{self.options.key}/config", '{"deletion_allowed":true}')
        cases = (("key destroyed, the store answers", 1000, 60000, 1000, lambda _: None),
                 ("key destroyed, our clock a day behind", 1000, 60000, 1000, lambda driver: driver.ask("clock", -86400 * 1000)),
                 ("key destroyed in an outage", 1000, 3000, 4000, lambda _: proxy("down")()))
        for name, ttl, window, bound, before in cases:
            driver = Driver(self.options, "stack", os.environ["BULLA_OPENBAO_PROXY_ADDR"], ttl_ms=ttl, offline_ms=window)
            self.load("before the key goes", [driver], 1)
            stated = driver.ask("facts")["stale_bound_ms"]
            before(driver)
            request()
            bao("request", "DELETE", f"transit/keys/{self.options.key}")()
            since = time.monotonic_ns()
            answer = driver.ask("refused", since, stated + 5000)
            self.claim(answer["is_refused"] and answer["opened_for_ms"] <= min(bound, stated),
                       f"{name}: opened data keys for {answer['opened_for_ms']} ms more (bound {bound} ms, stated by "
                       f"stale_bound_ms: {stated} ms); then {answer['why']}")
            proxy("clear")()
            driver.close()
            make_key(self.options.key)


def make_key(name):
    bao("request", "POST", f"transit/keys/{name}", '{"type":"aes256-gcm96"}')()


def print_table(rows):
    def failed(row, kind):
        return f"{row[kind + '_failed']}/{row[kind]}"
    print(f"{'fault':26} {'':6} {'decrypt':>11} {'new key':>10} {'encrypt':>11} {'p50 ms':>8} {'p99 ms':>8} "
          f"{'requests':>8} {'answered':>8} {'peak/s':>6}")
    for row in rows:
        print(f"{row['fault']:26} {row['mode']:6} {failed(row, 'known'):>11} {failed(row, 'other'):>10} "
              f"{failed(row, 'encrypt'):>11} {row['p50_ms']:8.2f} {row['p99_ms']:8.2f} {row['requests']:8} {row['answered']:8} "
              f"{row['peak']:6}")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", default=str(HERE.parents[1] / "build" / "tests" / "chaos" / "chaos"))
    parser.add_argument("--long", action="store_true", help="outages of 60 s, 100,000 calls")
    parser.add_argument("--only", action="append", metavar="PART")
    parser.add_argument("--rate", type=int, help="pieces of work a second of each of four threads (75; 200)")
    options = parser.parse_args()
    options.rate = options.rate or (200 if options.long else 75)
    return options


def main():
    options = read_options()
    servers = ["moto"] if options.only == ["clock"] else ["openbao", "--proxy"]
    if "BULLA_SERVERS_CONTROL" not in os.environ:
        os.execv(sys.executable, [sys.executable, str(RUN), *servers, "--", sys.executable, *sys.argv])
    options.folder, options.key = str(Path(os.environ["BULLA_SERVERS_JSON"]).parent), "bulla-chaos"
    key = Path(options.folder) / "recipient.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(32))
    options.file = f"file:{key}?namespace=chaos&name=file"
    if servers != ["moto"]:
        make_key(options.key)
    chaos = Chaos(options)
    for part in options.only or ("network", "peak", "lies", "tls", "names", "refusal"):
        getattr(chaos, part)()
    print_table(chaos.rows)
    print("\n".join(chaos.said))
    print(json.dumps({"rows": chaos.rows, "broken": chaos.broken}))
    return 1 if chaos.broken else 0


if __name__ == "__main__":
    sys.exit(main())
