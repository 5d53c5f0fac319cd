#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a transcript: what a person types and what the command answers, in a fresh home.

    # a comment
    $ printf 'one\\n' | \\
    > cat
    one
    $ bulla key show nobody
    bulla: key show: [..] (ENOKEY)
    ? 2

A command is given to sh; its standard output and error together must be the lines that follow. "[..]" stands for any
text within a line, a line "[...]" for any lines, "? N" for exit status N (0 when absent).

    transcript.py [--rewrite] BULLA TRANSCRIPT

--rewrite puts what the command answered in the place of what did not match; look at it before you keep it.
"""
import os
import re
import subprocess
import sys
import tempfile

TIMEOUT_S = 120


class Step:
    def __init__(self, line_number):
        self.line_number = line_number
        self.source = []  # as in the file, comments before it included
        self.command = ""
        self.expected = []
        self.status = 0


def parse(text):
    steps, head = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            step = Step(number)
            step.source = head + [line]
            step.command = line[2:]
            steps.append(step)
            head = []
        elif line.startswith("> ") and steps and not steps[-1].expected and not head:
            steps[-1].command += "\n" + line[2:]
            steps[-1].source.append(line)
        elif line.startswith("#") or not steps or head:
            head.append(line)
        elif line.startswith("? "):
            steps[-1].status = int(line[2:])
        else:
            steps[-1].expected.append(line)
    return steps, head


def matches(expected, lines):
    pattern = ""
    for line in expected:
        if line == "[...]":
            pattern += "(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("[..]")) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in lines)) is not None


def environment(bulla, home):
    kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    path = os.path.dirname(os.path.abspath(bulla)) + ":/usr/local/bin:/usr/bin:/bin"
    return {**kept, "PATH": path, "HOME": home, "LC_ALL": "C", "TZ": "UTC", "TERM": "dumb"}


def run(step, home, env):
    result = subprocess.run(["sh", "-c", step.command], cwd=home, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
    text = result.stdout.decode("utf-8", "backslashreplace")
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    return lines, result.returncode


def main():
    rewrite = "--rewrite" in sys.argv
    bulla, path = [word for word in sys.argv[1:] if word != "--rewrite"]
    with open(path, encoding="utf-8") as file:
        steps, tail = parse(file.read())
    output, num_wrong = [], 0
    with tempfile.TemporaryDirectory(prefix="bulla-transcript-") as home:
        env = environment(bulla, home)
        for step in steps:
            lines, status = run(step, home, env)
            right = matches(step.expected, lines)
            output += step.source + (step.expected if right else lines) + ([f"? {status}"] if status else [])
            if right and status == step.status:
                continue
            num_wrong += 1
            print(f"{path}:{step.line_number}: $ {step.command}")
            print("".join(f"  expected: {line}\n" for line in step.expected) + f"  expected: ? {step.status}")
            print("".join(f"  answered: {line}\n" for line in lines) + f"  answered: ? {status}")
    if rewrite:
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in output + tail))
    print(f"{path}: {len(steps)} commands, {num_wrong} not as written")
    return 1 if num_wrong != 0 or not steps else 0


if __name__ == "__main__":
    sys.exit(main())
