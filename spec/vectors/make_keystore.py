#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes spec/vectors/keystore.json from spec/keystore.md, with Python's `cryptography` and no code of the library.

Usage: spec/vectors/make_keystore.py > spec/vectors/keystore.json
Every run gives the same bytes: keys, ids and nonces are hashes of their names.
"""
import hashlib
import json
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def made(name, length):
    return hashlib.shake_256(name.encode()).digest(length)


def b16(content):
    return struct.pack(">H", len(content)) + content


def bind(purpose, rest):
    return struct.pack(">H", 0) + b16(purpose.encode()) + rest


def bind_version(store, key, version, kind, usage):
    return bind("key version", b16(store) + b16(key) + struct.pack(">IHH", version, kind, usage))


def bind_import(store, key, expires):
    return bind("import key", b16(store) + b16(key) + struct.pack(">Q", expires))


def bind_dek(dek, context):
    return bind("data key", b16(dek) + b16(context))


def encode_context(pairs):
    if not pairs:
        return b""
    out = struct.pack(">H", len(pairs))
    for key, value in sorted((k.encode(), v.encode()) for k, v in pairs.items()):
        out += b16(key) + b16(value)
    return out


def seal(key, ident, version, nonce, bound, plaintext):
    head = b"\x01" + ident + struct.pack(">I", version)
    return head + nonce + AESGCM(key).encrypt(nonce, plaintext, bound + head)


def version_rows():
    for version, kind, usage in ((1, 1, 1), (7, 1, 1), (0xFFFFFFFE, 1, 3), (2, 2, 2)):
        name = f"version {version} of type {kind} for {usage}"
        store, key = made("store", 16), made("key", 16)
        yield {"name": name, "store": store.hex(), "key": key.hex(), "version": version, "type": kind, "usage": usage,
               "bound": bind_version(store, key, version, kind, usage).hex()}


def import_rows():
    for expires in (0, 1795305600, 2**40):
        store, key = made("store", 16), made("imported key", 16)
        yield {"store": store.hex(), "key": key.hex(), "expires": expires,
               "bound": bind_import(store, key, expires).hex()}


def dek_rows():
    for pairs in ({}, {"table": "orders"}, {"z": "last", "a": "first", "\u00e4": "\u00f6"}):
        dek, context = made("dek", 16), encode_context(pairs)
        yield {"dek": dek.hex(), "context": context.hex(), "bound": bind_dek(dek, context).hex()}


def sealed_rows():
    for generation, version in ((1, 1), (3, 12)):
        name = f"generation {generation}, version {version}"
        root, ident, nonce = made(name + " root", 32), made(name + " root id", 16), made(name + " nonce", 12)
        store, key, material = made("store", 16), made(name + " key", 16), made(name + " material", 32)
        sealed = seal(root, ident, generation, nonce, bind_version(store, key, version, 1, 1), material)
        yield {"name": name, "root": root.hex(), "root_id": ident.hex(), "generation": generation, "nonce": nonce.hex(),
               "store": store.hex(), "key": key.hex(), "version": version, "type": 1, "usage": 1,
               "material": material.hex(), "sealed": sealed.hex()}


def entry_rows():
    for version, pairs in ((1, {}), (2, {"purpose": "test"}), (4000000000, {"b": "2", "a": "1"})):
        name = f"entry {version}"
        material, key, nonce = made(name + " material", 32), made(name + " key", 16), made(name + " nonce", 12)
        dek, context = made(name + " dek", 32), encode_context(pairs)
        yield {"name": name, "material": material.hex(), "key": key.hex(), "version": version,
               "context": context.hex(), "dek": dek.hex(), "nonce": nonce.hex(), "provider": "bulla",
               "info": f"{key.hex()}:{version:010d}",
               "blob": seal(material, key, version, nonce, context, dek).hex()}


def container(parts):
    out = b"BULLABK1" + struct.pack(">H", 1)
    for kind, content in enumerate(parts, 1):
        out += struct.pack(">HQ", kind, len(content)) + content
    return out + struct.pack(">HQHQ", 0xFFFF, 10, len(parts), len(out))


def container_rows():
    for parts in ((b"store=0\n", made("database", 100), b"keystore:\n", b"id=0\n"), (b"", b"", b"", b"")):
        yield {"parts": [part.hex() for part in parts], "container": container(parts).hex()}


def main():
    vectors = {
        "specification": "spec/keystore.md",
        "bind_version": list(version_rows()),
        "bind_import": list(import_rows()),
        "bind_dek": list(dek_rows()),
        "sealed": list(sealed_rows()),
        "entry": list(entry_rows()),
        "container": list(container_rows()),
    }
    json.dump(vectors, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
