#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes spec/vectors/wrapped.json from spec/wrapped.md, with Python's `cryptography` and no code of the library.

Usage: spec/vectors/make_wrapped.py > spec/vectors/wrapped.json
Every run gives the same bytes: keys, nonces and what a store would have answered are hashes of their names.
"""
import hashlib
import json
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1


def made(name, length):
    return hashlib.shake_256(name.encode()).digest(length)


def sized(data):
    return struct.pack(">H", len(data)) + data


def encode_context(pairs):
    if not pairs:
        return b""
    out = struct.pack(">H", len(pairs))
    for key, value in sorted((k.encode(), v.encode()) for k, v in pairs.items()):
        out += sized(key) + sized(value)
    return out


class Case:
    def __init__(self, name, provider="azure-kv", info="https://v.vault.azure.net/keys/k/0123", context=None,
                 outer_len=256, dek_len=32):
        self.name, self.provider, self.info, self.context = name, provider.encode(), info.encode(), context or {}
        self.key, self.nonce = made(name + " inner key", 32), made(name + " nonce", 12)
        self.outer, self.dek = made(name + " outer", outer_len), made(name + " data key", dek_len)

    def aad(self):
        head = bytes([VERSION]) + sized(self.provider) + sized(self.info) + sized(self.outer)
        return head + encode_context(self.context)

    def blob(self):
        sealed = AESGCM(self.key).encrypt(self.nonce, self.dek, self.aad())
        return bytes([VERSION]) + sized(self.outer) + self.nonce + sealed

    def fields(self, **more):
        row = {"name": self.name, "provider": self.provider.decode(), "info": self.info.decode(),
               "context": self.context, "inner_key": self.key.hex()}
        row.update(more)
        return row


def seal_rows():
    cases = [Case("outer of %d bytes" % n, outer_len=n) for n in (1, 40, 256, 384, 512, 1024)]
    cases += [Case("data key of %d bytes" % n, dek_len=n) for n in (16, 24, 32, 48, 64)]
    cases += [Case("%d pairs" % n, context={"k%d" % i: "v%d" % i for i in range(n)}) for n in (1, 2, 20)]
    cases += [Case("names in any language", info="ключ/鍵", context={"Ä": "ß", "a": ""}),
              Case("another provider", provider="pkcs11", info="4f1c:00ff"), Case("empty info", info="")]
    return [c.fields(nonce=c.nonce.hex(), outer=c.outer.hex(), dek=c.dek.hex(), blob=c.blob().hex()) for c in cases]


def altered(case, offset):
    blob = bytearray(case.blob())
    blob[offset] ^= 1
    return bytes(blob).hex()


def refuse_rows():
    case = Case("refused", context={"tenant": "acme"})
    whole, outer_end = case.blob(), 3 + len(case.outer)
    rows = [("a later version", altered(case, 0)), ("the outer length, high", altered(case, 1)),
            ("the outer length, low", altered(case, 2)), ("the outer key", altered(case, 3)),
            ("the outer key's end", altered(case, outer_end - 1)), ("the nonce", altered(case, outer_end)),
            ("the sealed key", altered(case, outer_end + 12)), ("the tag", altered(case, len(whole) - 1)),
            ("nothing", ""), ("the version alone", whole[:1].hex()), ("half a length", whole[:2].hex()),
            ("no sealed key", whole[:outer_end].hex()), ("no tag", whole[:-16].hex()),
            ("one byte less", whole[:-1].hex()), ("one byte more", (whole + b"\0").hex())]
    out = [case.fields(name=name, blob=blob) for name, blob in rows]
    good = whole.hex()
    out.append(case.fields(name="another provider", blob=good, provider="azure-kw"))
    out.append(case.fields(name="another version of the key", blob=good, info=case.info.decode() + "4"))
    out.append(case.fields(name="another context", blob=good, context={"tenant": "acne"}))
    out.append(case.fields(name="no context", blob=good, context={}))
    out.append(case.fields(name="a context more", blob=good, context={"tenant": "acme", "x": "y"}))
    out.append(case.fields(name="another inner key", blob=good, inner_key=made("other", 32).hex()))
    out.append(case.fields(name="an inner key that is short", blob=good, inner_key=case.key[:16].hex()))
    shifted = case.fields(name="a byte moved from info to provider", blob=good)
    shifted["provider"], shifted["info"] = shifted["provider"] + shifted["info"][0], shifted["info"][1:]
    return out + [shifted]


def main():
    json.dump({"seal": seal_rows(), "refuse": refuse_rows()}, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


main()
