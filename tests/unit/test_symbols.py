# SPDX-License-Identifier: Apache-2.0
"""Is what the headers declare, what bulla.map and the Debian package list and what libbulla.so exports one set of names?

test_symbols.py HEADER_DIR MAP DEBIAN_SYMBOLS SHARED STATIC
The static library may hold more, but every global name in it begins with bulla_, so that it meets no other's.
"""
import pathlib
import re
import subprocess
import sys


def declared(folder):
    names = set()
    for header in sorted(folder.glob("*.h")):
        text = re.sub(r"/\*.*?\*/", " ", header.read_text(), flags=re.S)
        text = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
        for declaration in re.findall(r"\bBULLA_API\b([^;]*);", text):
            match = re.search(r"\b(bulla_\w+)\s*\(", declaration)
            if match is None:
                sys.exit(f"{header}: no function in a BULLA_API declaration: {declaration.strip()}")
            names.add(match.group(1))
    return names


def mapped(path):
    text = path.read_text()
    listed = re.findall(r"^\s+(\w+);$", text.split("global:")[1].split("local:")[0], flags=re.M)
    if listed != sorted(set(listed)):
        sys.exit(f"{path}: names are not sorted, or one is there twice")
    return set(listed)


def packaged(path):
    return set(re.findall(r"^ (\w+)@BULLA_0 ", path.read_text(), flags=re.M)) - {"BULLA_0"}


def defined(library, *options):
    output = subprocess.run(["nm", "--defined-only", *options, library], check=True, capture_output=True, text=True)
    rows = [line.split() for line in output.stdout.splitlines()]
    return {row[2].split("@")[0] for row in rows if len(row) == 3 and row[1] in "TDBRVWi"}


def differences(what, left, right):
    lines = [f"{what}: {name} only in the first" for name in sorted(left - right)]
    return lines + [f"{what}: {name} only in the second" for name in sorted(right - left)]


def main():
    headers, version_map, symbols, shared, static = sys.argv[1:]
    names = declared(pathlib.Path(headers))
    exported = defined(shared, "--dynamic", "--extern-only") - {"BULLA_0"}
    found = differences("headers and map", names, mapped(pathlib.Path(version_map)))
    found += differences("headers and libbulla0.symbols", names, packaged(pathlib.Path(symbols)))
    found += differences("headers and libbulla.so", names, exported)
    found += [f"libbulla.a: global name without bulla_: {name}"
              for name in sorted(defined(static, "--extern-only"))
              if not re.match(r"bulla_|__(asan|ubsan|odr_asan|tsan|sancov|gcov)", name)]
    print(f"{len(names)} public functions")
    for line in found:
        print(line)
    return 1 if found or len(names) < 50 else 0


sys.exit(main())
