#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes spec/vectors/record.json from spec/record.md, with Python's `cryptography` and no code of the library.

Usage: spec/vectors/make_record.py > spec/vectors/record.json
Every run gives the same bytes: keys, ids and nonces are hashes of their names.
"""
import hashlib
import hmac
import json
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
LABEL = b"bulla record key id v1"


def made(name, length):
    return hashlib.shake_256(name.encode()).digest(length)


def key_id(dek):
    return hmac.new(dek, LABEL, hashlib.sha256).digest()[:16]


def encode_context(pairs):
    if not pairs:
        return b""
    out = struct.pack(">H", len(pairs))
    for key, value in sorted((k.encode(), v.encode()) for k, v in pairs.items()):
        out += struct.pack(">H", len(key)) + key + struct.pack(">H", len(value)) + value
    return out


def seal(key, ident, version, nonce, bound, plaintext):
    head = bytes([VERSION]) + ident + struct.pack(">I", version)
    return head + nonce + AESGCM(key).encrypt(nonce, plaintext, bound + head)


class Case:
    """A key with its name, and everything that goes into one record."""

    def __init__(self, name, bound=b"", plaintext=b"", version=None, key=None):
        self.name, self.bound, self.plaintext = name, bound, plaintext
        self.key = key if key is not None else made(name + " key", 32)
        self.ident = key_id(self.key) if version is None else made(name + " id", 16)
        self.version = 1 if version is None else version
        self.nonce = made(name + " nonce", 12)

    def record(self):
        return seal(self.key, self.ident, self.version, self.nonce, self.bound, self.plaintext)

    def fields(self, **more):
        row = {
            "name": self.name,
            "key": self.key.hex(),
            "id": self.ident.hex(),
            "version": self.version,
            "bound": self.bound.hex(),
        }
        row.update(more)
        return row


def seal_rows():
    rows = []
    for length in (0, 1, 15, 16, 17, 31, 32, 33, 64, 255, 256, 1000):
        rows.append(Case("plaintext of %d bytes" % length, b"", made("text %d" % length, length)))
    for length in (1, 2, 20, 21, 22, 300, 1002, 1003, 1004, 5000):
        rows.append(Case("bound bytes of %d" % length, made("bound %d" % length, length), b"a plaintext"))
    for version in (1, 2, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        rows.append(Case("master key version %d" % version, b"key bound", made("dek", 32), version))
    head = rows[0].record()[:21]
    rows.append(Case("bound bytes that end like a head", b"x" + head, b"a plaintext"))
    return [c.fields(nonce=c.nonce.hex(), plaintext=c.plaintext.hex(), record=c.record().hex()) for c in rows]


def context_rows():
    rows = []
    for number, pairs in enumerate(
        (
            {},
            {"tenant": "42"},
            {"table": "users", "row": "17", "column": "email"},
            {"b": "", "a": "1", "aa": "2", "B": "3", "\u00e9": "\u00e8", "\U0001f511": "key"},
            {"big": "v" * 1500},
        )
    ):
        case = Case("context %d" % number, encode_context(pairs), b"the same plaintext")
        rows.append(
            {
                "name": case.name,
                "key": case.key.hex(),
                "context": pairs,
                "nonce": case.nonce.hex(),
                "plaintext": case.plaintext.hex(),
                "record": case.record().hex(),
            }
        )
    return rows


def rewrap_rows():
    rows = []
    for length in (0, 16, 32, 64):
        name = "rewrap of %d bytes" % length
        bound, text = b"bound in both", made(name, length)
        old, new = Case(name + " from", bound, text, 1), Case(name + " to", bound, text, 2)
        rows.append(
            old.fields(
                name=name,
                record=old.record().hex(),
                to_key=new.key.hex(),
                to_id=new.ident.hex(),
                to_version=new.version,
                to_nonce=new.nonce.hex(),
                to_record=new.record().hex(),
            )
        )
    return rows


def altered_rows(case):
    """One bit of each field in turn, with the status that a reader reports for that field."""
    record = case.record()
    places = [("version", 0, "EUNSUPPORTED")]
    places += [("key id byte %d" % i, 1 + i, "ENOKEY") for i in (0, 7, 15)]
    places += [("key version byte %d" % i, 17 + i, "ENOKEY") for i in range(4)]
    places += [("nonce byte %d" % i, 21 + i, "EINTEGRITY") for i in (0, 11)]
    places += [("ciphertext byte %d" % i, 33 + i, "EINTEGRITY") for i in (0, len(case.plaintext) - 1)]
    places += [("tag byte %d" % i, len(record) - 16 + i, "EINTEGRITY") for i in (0, 15)]
    for what, offset, status in places:
        bad = bytearray(record)
        bad[offset] ^= 0x80
        yield case.fields(name="altered " + what, record=bytes(bad).hex(), status=status)


def version_rows(case):
    record = case.record()
    for version in (0x00, 0x02, 0x81, 0xFF):
        bad = bytes([version]) + record[1:]
        yield case.fields(name="version byte %#04x" % version, record=bad.hex(), status="EUNSUPPORTED")
    yield case.fields(name="unknown version, one byte", record="02", status="EUNSUPPORTED")


def length_rows(case):
    record = case.record()
    yield case.fields(name="no bytes", record="", status="EINTEGRITY")
    for length in (1, 20, 21, 32, 33, 47, 48):
        yield case.fields(name="first %d bytes" % length, record=record[:length].hex(), status="EINTEGRITY")
    yield case.fields(name="last byte missing", record=record[:-1].hex(), status="EINTEGRITY")
    yield case.fields(name="ciphertext missing", record=(record[:33] + record[-16:]).hex(), status="EINTEGRITY")
    yield case.fields(name="one byte more", record=(record + b"\0").hex(), status="EINTEGRITY")


def bound_rows(case):
    record = case.record().hex()
    for name, bound in (
        ("bound bytes missing", b""),
        ("bound bytes shorter", case.bound[:-1]),
        ("bound bytes longer", case.bound + b"\0"),
        ("bound bytes altered", bytes([case.bound[0] ^ 1]) + case.bound[1:]),
        ("head bound as well", case.bound + case.record()[:21]),
    ):
        yield case.fields(name=name, record=record, bound=bound.hex(), status="EINTEGRITY")


def key_rows(case):
    record = case.record()
    other = Case("another key")
    yield case.fields(name="another data key", record=record.hex(), key=other.key.hex(), id=other.ident.hex(),
                      status="ENOKEY")
    yield case.fields(name="another key under the same id", record=record.hex(), key=other.key.hex(),
                      status="EINTEGRITY")
    yield case.fields(name="another version of the key", record=record.hex(), version=2, status="ENOKEY")
    nothing_bound = seal(case.key, case.ident, 1, case.nonce, b"", case.plaintext)
    yield case.fields(name="sealed with nothing bound", record=nothing_bound.hex(), status="EINTEGRITY")
    head, sealed = record[:33], AESGCM(case.key).encrypt(case.nonce, case.plaintext, case.bound)
    yield case.fields(name="head not authenticated", record=(head + sealed).hex(), status="EINTEGRITY")
    sealed = AESGCM(case.key).encrypt(case.nonce, case.plaintext, record[:21] + case.bound)
    yield case.fields(name="head before the bound bytes", record=(head + sealed).hex(), status="EINTEGRITY")


def refuse_rows():
    case = Case("refused", b"what is bound", b"what nobody may see")
    for rows in (altered_rows, version_rows, length_rows, bound_rows, key_rows):
        yield from rows(case)


def main():
    ids = [made("id %d" % i, 32) for i in range(3)] + [bytes(32), b"\xff" * 32]
    vectors = {
        "specification": "spec/record.md",
        "ids": [{"key": dek.hex(), "id": key_id(dek).hex()} for dek in ids],
        "seal": seal_rows(),
        "contexts": context_rows(),
        "rewrap": rewrap_rows(),
        "refuse": list(refuse_rows()),
    }
    json.dump(vectors, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
