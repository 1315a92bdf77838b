#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Write docs/performance.md from build/bench.json, with the goals and the peers' figures that the benchmarks know."""

import ast
import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
SOURCES = [TOP / "tests/bench/bench.py", TOP / "tests/bench/dbt_bench.py", TOP / "tests/bench/programs.py", TOP / "tests/bench/host_insns.py"]
RESULTS = TOP / "build/bench.json"
PAGE = TOP / "docs/performance.md"
GROUPS = (("Translator", "dbt_"), ("Guests", "guest_"), ("Exits, interrupts", ("hypercall", "mmio", "ipi", "trace", "gdb")),
          ("Disks, networks", ("blk_", "net_")), ("", ""))

HEAD = """# Performance

<!-- Made by tools/performance.py from the results of make bench: measure again rather than edit. -->

Figures of emulated hosts. Names that end in `_instructions` are executed instructions, counted by the emulator; ratios compare two runs in
one place. What a peer does in the same place, where it was measured, stands beside. Those that begin with
`dbt_` compare times of the translator and of QEMU's on the build machine, in one run. No hypervisor's time on a real machine stands here: none was tried yet.
`make bench` measures all, `make bench ITEM=name` one.
"""


def tables():
    """{name of a table: its entries} of all sources: GOALS and MOST (at most), LEAST (at least), PEERS."""
    found = {"GOALS": {}, "LEAST": {}, "PEERS": {}}
    found["MOST"] = found["GOALS"]
    for source in SOURCES:
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in found:
                entries = eval(compile(ast.Expression(node.value), str(source), "eval"), {})  # 2 << 20 is no literal
                found[node.targets[0].id].update(entries)
    return found


def line(name, value, known):
    def of(table):
        return known[table].get(name, known[table].get(name.split(".")[0]))

    goal, least = of("GOALS"), of("LEAST")
    wanted = f"at most {goal:,}" if goal is not None else f"at least {least:,}" if least is not None else ""
    met = "" if not wanted else "yes" if (value <= goal if goal is not None else value >= least) else "no"
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"| `{name}` | {shown} | {wanted} | {met} | {of('PEERS') or ''} |\n"


def page(results):
    known, left, parts = tables(), dict(sorted(results.items())), [HEAD]
    for title, prefix in GROUPS:
        names = [name for name in left if name.startswith(prefix)]
        if names:
            parts.append(f"\n## {title or 'The hypervisor itself'}\n| figure | measured | goal | met | peers |\n| --- | ---: | --- | --- | --- |\n")
            parts.extend(line(name, left.pop(name), known) for name in names)
    return "".join(parts)


def main():
    if not RESULTS.exists():
        print("there are no results: run make bench first")
        return 1
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
