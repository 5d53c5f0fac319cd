#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every verb and option that --help knows is in a man page and in the completion, and the completion has no others; every
name of the configuration is in bulla.yaml(5).

    check_docs.py BULLA SOURCE_DIR
"""
import re
import subprocess
import sys

BULLA, SOURCE = sys.argv[1], sys.argv[2]
PAGES = ["bulla.1", "bulla-key.1", "bulla-encrypt.1", "bulla-kms.1"]


def help_of(verb):
    return subprocess.run([BULLA, *verb.split(), "--help"], check=True, capture_output=True, text=True).stdout


def section(text, title):
    found = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.MULTILINE)
    return found.group(1).splitlines() if found else []


def options_in(lines):
    """("-r=", "--recipient=") and the like; "=" where the option takes a value."""
    words = []
    for line in lines:
        letter, name, value = re.match(r"  (?:-(\w), |    )--([\w-]+)( [A-Z][\w.|=]*)?", line).groups()
        mark = "=" if value else ""
        words += ([f"-{letter}{mark}"] if letter else []) + [f"--{name}{mark}"]
    return words


def walk(verb, verbs, options):
    text = help_of(verb)
    below = [line.split()[0] for line in section(text, "Verbs")]
    if below:
        verbs[verb] = below
    own = options_in(section(text, "Options"))
    if own:
        options[verb] = own
    for name in below:
        walk(f"{verb} {name}".strip(), verbs, options)


def completion():
    script = f"""source {SOURCE}/packaging/bulla.bash-completion
        for v in "${{!_bulla_verbs[@]}}"; do echo "V|$v|${{_bulla_verbs[$v]}}"; done
        for v in "${{!_bulla_options[@]}}"; do echo "O|$v|${{_bulla_options[$v]}}"; done
        echo "G||$_bulla_global" """
    text = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    tables = {"V": {}, "O": {}, "G": {}}
    for line in text.splitlines():
        table, verb, words = line.split("|")
        tables[table]["" if verb == "top" else verb] = words.split()
    return tables


def difference(what, expected, found):
    if expected == found:
        return 0
    for key in sorted(set(expected) | set(found)):
        if expected.get(key) != found.get(key):
            print(f"{what} of \"bulla {key}\": --help has {expected.get(key)}, the completion has {found.get(key)}")
    return 1


def plain(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def missing_in_pages(verbs, options, shared):
    text = "\n".join(plain(f"{SOURCE}/docs/man/{page}") for page in PAGES)
    wrong = 0
    leaves = [f"{verb} {name}".strip() for verb, names in verbs.items() for name in names]
    for verb in (leaf for leaf in leaves if leaf not in verbs):
        words = verb.removeprefix("key ")
        if not re.search(rf"^\.It Ic {words}\b|^\.Nm bulla {words}$", text, re.MULTILINE):
            print(f"no man page has the verb \"{verb}\"")
            wrong = 1
    for word in sorted({word.rstrip("=") for words in [*options.values(), shared] for word in words}):
        flag = word[1:].replace("--", "-")
        if not re.search(rf"Fl {re.escape(flag)}(?![\w-])", text) and not re.search(rf"Fl \w*{flag}\w* ?$", text):
            print(f"no man page has the option {word}")
            wrong = 1
    return wrong


def missing_settings():
    """Names as the tables of the engine have them: FIELD(KIND, "name" and X(…, "name"."""
    tables = "".join(plain(f"{SOURCE}/src/engine/{name}") for name in ("config.c", "kms_config.c", "kms_config.h"))
    names = set(re.findall(r'(?:FIELD|X)\(\w+, "([a-z_0-9.]+)"', tables))
    page = plain(f"{SOURCE}/docs/man/bulla.yaml.5")
    known = {word for line in re.findall(r"^\.(?:It )?Cm .*$", page, re.MULTILINE) for word in re.findall(r"[a-z_0-9]+", line)}
    missing = sorted(name for name in names if not known.issuperset(name.split(".")))
    for name in missing:
        print(f"bulla.yaml(5) has no \"{name}\"")
    print(f"{len(names)} settings")
    return 1 if missing or len(names) < 90 else 0


def main():
    verbs, options = {}, {}
    walk("", verbs, options)
    shared = options_in(section(help_of(""), "Options of every verb"))
    tables = completion()
    wrong = difference("verbs", verbs, tables["V"])
    wrong |= difference("options", options, tables["O"])
    wrong |= difference("shared options", {"": shared}, tables["G"])
    wrong |= missing_in_pages(verbs, options, shared)
    wrong |= missing_settings()
    print(f"{sum(map(len, verbs.values()))} verbs, {sum(map(len, options.values())) + len(shared)} options")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
