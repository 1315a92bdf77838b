#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Write SUPPORT.md from SPECIFICATION.md and the results of a whole test run; with --check, only see that every test that
the specification names is there.

A promise is supported when all its tests passed, in part when some did and the others were not run, and experimental when
none ran. A test that failed makes it broken, which a tree that passes CI does not hold.
"""

import argparse
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parent.parent
SPECIFICATION = TOP / "SPECIFICATION.md"
PAGE = TOP / "SUPPORT.md"
BY_HAND = TOP / "docs/unexercised.md"
RESULTS = TOP / "build/tests"
HOSTS = ("x86_64", "aarch64", "riscv64")
# Tests whose variants do not name the host they run on.
HOST_OF_FILE = {"test_bochs": "x86_64", "test_x86_machine": "x86_64", "test_hosted": "x86_64", "test_arm_guest": "aarch64",
                "test_riscv_guest": "riscv64", "test_translated": "x86_64"}


def promises():
    """(section, promise, [tests]) of each line of the specification's tables."""
    section = None
    for line in SPECIFICATION.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if section and line.startswith("| ") and len(cells) == 2 and cells[0] != "promise" and not cells[0].startswith("---"):
            yield section, cells[0], re.findall(r"make [\w-]+|[\w/:]+", cells[1])


def exists(test):
    if test.startswith("make "):
        makefile = (TOP / "tools/checks.mk").read_text(encoding="utf-8")
        return re.search(rf"\$\(MAKE\) .* {test[5:]}\b", makefile)
    if "::" in test:
        file, name = test.split("::")
        path = TOP / f"tests/boot/{file}.py"
        return path.exists() and re.search(rf"^def {name}\(", path.read_text(encoding="utf-8"), re.M)
    return (TOP / f"tests/{test}.c").exists()


def results():
    """{test: {variant: passed}}: of pytest's JUnit files, and of the lists of programs and targets that passed."""
    found = collections.defaultdict(dict)
    for path in RESULTS.glob("*.xml"):
        for case in ElementTree.parse(path).iter("testcase"):
            name, _, variant = case.get("name").partition("[")
            bad = any(child.tag in ("failure", "error") for child in case)
            if not any(child.tag == "skipped" for child in case):
                found[f"{case.get('classname').rpartition('.')[2]}::{name}"][variant.rstrip("]")] = not bad
    for path in RESULTS.glob("*.passed"):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                found[line][""] = True
    return found


def hosts_of(test, variants):
    named = {host for host in HOSTS for variant in variants if host in variant}
    by_file = HOST_OF_FILE.get(test.split("::")[0]) or next((h for h in HOSTS if h in test), None)
    return named or ({by_file} if by_file else set() if "::" in test else set(HOSTS))


def state_of(tests, found):
    runs = [passed for test in tests for passed in found.get(test, {}).values()]
    missing = [test for test in tests if not found.get(test)]
    if not all(runs):
        return "broken"
    return "experimental" if not runs else "in part" if missing else "supported"


HEAD = """# What is supported, and what it rests on

<!-- Made by tools/support.py from SPECIFICATION.md, the last whole test run and docs/unexercised.md: edit there. -->

Everything was tried under emulation only (QEMU 10, Bochs 3): no real machine yet. *Supported*: all tests of the promise passed in the
run from which this page was made. *In part*: some of them were not run. *Experimental*: none was. [SPECIFICATION.md](SPECIFICATION.md)
says which tests these are. Under "hosts" stand those on which they ran.
"""


def page():
    found, section, parts = results(), None, [HEAD]
    for of, promise, tests in promises():
        if of != section:
            section = of
            parts.append(f"\n## {section}\n| what | state | hosts |\n| --- | --- | --- |\n")
        hosts = set().union(*(hosts_of(test, found[test]) for test in tests if test in found))
        parts.append(f"| {promise} | {state_of(tests, found)} | {', '.join(h for h in HOSTS if h in hosts)} |\n")
    return "".join(parts) + "\n" + BY_HAND.read_text(encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    unknown = [(promise, test) for _, promise, tests in promises() for test in tests if not exists(test)]
    for promise, test in unknown:
        print(f'SPECIFICATION.md: "{promise[:60]}...": there is no test {test}')
    if unknown or options.check:
        return 1 if unknown else 0
    if not any(RESULTS.glob("*")):
        print(f"there are no results in {RESULTS.relative_to(TOP)}: run make test first")
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
