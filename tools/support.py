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
    """{test: {variant: (passed, hosts)}}: of pytest's JUnit files, and of the lists of programs and targets that passed.
    The hosts are those that the test booted (tests/boot/conftest.py tells them)."""
    found = collections.defaultdict(dict)
    for path in RESULTS.glob("*.xml"):
        for case in ElementTree.parse(path).iter("testcase"):
            name, _, variant = case.get("name").partition("[")
            bad = any(child.tag in ("failure", "error") for child in case)
            hosts = {p.get("value") for p in case.iter("property") if p.get("name") == "host"}
            if not any(child.tag == "skipped" for child in case):
                found[f"{case.get('classname').rpartition('.')[2]}::{name}"][variant.rstrip("]")] = not bad, hosts
    for path in RESULTS.glob("*.passed"):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                found[line][""] = True, set()
    return found


def hosts_of(tests, found):
    hosts = {host for test in tests for _, booted in found.get(test, {}).values() for host in booted}
    ran = any(found.get(test) for test in tests)
    return ", ".join(h for h in HOSTS if h in hosts) or ("build machine" if ran else "")


def state_of(tests, found):
    runs = [passed for test in tests for passed, _ in found.get(test, {}).values()]
    missing = [test for test in tests if not found.get(test)]
    if not all(runs):
        return "broken"
    return "experimental" if not runs else "in part" if missing else "supported"


HEAD = """# What is supported, and what it rests on

<!-- Made by tools/support.py from SPECIFICATION.md, the last whole test run and docs/unexercised.md: edit there. -->

Everything was tried under emulation only (QEMU 10, Bochs 3): no real machine yet. *Supported*: all tests of the promise passed in the
run from which this page was made. *In part*: some of them were not run. *Experimental*: none was. [SPECIFICATION.md](SPECIFICATION.md)
says which tests these are. Under "hosts" stand the machines that these tests booted; *build machine*: they try, as a Linux process on
x86_64, what is the same on each host.
"""


def page():
    found, section, parts = results(), None, [HEAD]
    for of, promise, tests in promises():
        if of != section:
            section = of
            parts.append(f"\n## {section}\n| what | state | hosts |\n| --- | --- | --- |\n")
        parts.append(f"| {promise} | {state_of(tests, found)} | {hosts_of(tests, found)} |\n")
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
