#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Host instructions per guest instruction: integer kernels in a translated guest of the hypervisor, both counted by QEMU.

    host_insns.py [--arch NAME] [--mmu soft|page-table|auto] [--scale PERCENT] [--only NAME]...

The hypervisor runs on an emulated x86_64 machine, and the guest's kernel and first process once more straight on QEMU's machine of their
architecture. A plugin of QEMU counts what each executes between two lines of the first process; the ratio has the hypervisor's own work and
the guest's interrupts in it. Prints a table and adds to build/bench.json.
"""
import argparse
import contextlib
import json
import math
import mmap
import pathlib
import struct
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "tests/boot"), str(TOP / "tools"), str(TOP / "tests/bench")]

import pexpect  # noqa: E402
from conftest import Machine, make_image  # noqa: E402
from dbt_bench import CONSOLE, INTEGER, build, commands  # noqa: E402
from bench import Bench  # noqa: E402

HERE = TOP / "build/bench/host_insns"
MOST = {"dbt_host_insns.riscv64.soft": 4.5, "dbt_host_insns.riscv64.page-table": 2.8, "dbt_host_insns.aarch64.page-table": 3.2}
LIMIT_S = 900


class Counter:
    """What the plugin counts into a file."""

    def __init__(self, name, stack):
        path = HERE / f"{name}.count"
        path.write_bytes(bytes(8))
        self.option = ("-plugin", f"{Bench.plugin(None)},count={path}")
        self.counter = mmap.mmap(stack.enter_context(open(path, "r+b")).fileno(), 8)

    def now(self):
        return struct.unpack("Q", self.counter[:8])[0]


def in_hypervisor(options, initrd, counter, stack):
    append = f"{CONSOLE[options.arch]} -- {options.scale} {' '.join(options.only)}"
    config = (f"[host]\nconfig = 1\nconsole = g\n\n[vm g]\narch = {options.arch}\nmemory = 256M\nkernel = k\ninitrd = i\nmmu = {options.mmu}\n"
              f"cmdline = {append}\n")
    image = make_image(HERE / "guest.img", "x86_64", config, [("k", TOP / f"build/guest/{options.arch}/kernel"), ("i", initrd)])
    return stack.enter_context(Machine(HERE / "hypervisor.log", LIMIT_S, arch="x86_64", image=str(image), memory=1024, extra=counter.option)).child


def straight(options, initrd, counter, stack):
    command = [str(c) for c in commands(options, None, initrd)[1][1]] + list(counter.option)
    child = pexpect.spawn(command[0], command[1:], encoding="utf-8", codec_errors="replace", timeout=LIMIT_S)
    stack.callback(child.close, force=True)
    child.logfile_read = stack.enter_context(open(HERE / "straight.log", "w", encoding="utf-8"))
    return child


def count(how, options, initrd):
    """Instructions between the lines of each kernel, and what the kernel computed."""
    with contextlib.ExitStack() as stack:
        counter = Counter(how.__name__, stack)
        child = how(options, initrd, counter, stack)
        spent, sums = {}, {}
        for name in options.only:
            child.expect(f"<{name}\\s")
            before = counter.now()
            child.expect(rf">{name} ([0-9a-f]{{16}})")
            spent[name] = counter.now() - before
            sums[name] = child.match[1]
        return spent, sums


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=list(CONSOLE), default="riscv64")
    parser.add_argument("--mmu", choices=["soft", "page-table", "auto"], default="soft")
    parser.add_argument("--scale", type=int, default=100, help="percent of the kernels' shortest measurement")
    parser.add_argument("--only", action="append", default=[], choices=INTEGER)
    options = parser.parse_args()
    everything = not options.only
    options.only = [name for name in INTEGER if name in options.only or everything]
    HERE.mkdir(parents=True, exist_ok=True)
    initrd = build(options.arch)[1]
    runs = argparse.Namespace(**vars(options), engine=None, smp=False, kernel=None, qemu=None)
    (theirs, expected), (ours, sums) = count(straight, runs, initrd), count(in_hypervisor, runs, initrd)
    if sums != expected:
        sys.exit(f"not the same was computed: {sums}, {expected}")
    print(f"{'':10} {'guest':>14} {'host':>14} {'ratio':>7}")
    for name in options.only:
        print(f"{name:10} {theirs[name]:14,} {ours[name]:14,} {ours[name] / theirs[name]:7.2f}")
    key = f"dbt_host_insns.{options.arch}.{options.mmu}"
    value = round(math.exp(sum(math.log(ours[n] / theirs[n]) for n in options.only) / len(options.only)), 3)
    print(f"{key} {value}" + (f"   at most {MOST[key]}" if key in MOST else ""))
    if not everything:
        return
    output = TOP / "build/bench.json"
    results = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
    results[key] = value
    output.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
