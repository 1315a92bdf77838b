#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian's programs in a translated guest: what they print, and their CPU time, beside the same guest by QEMU's translator.

    programs.py [--arch NAME] [--mmu soft|page-table] [--cpus N] [--runs N] [--only NAME]...

Both start the same Debian with systemd from the same disk. Each program prints a digest of its work, which has to be the same in
both: so it is a test too. Prints both command lines and a table, and adds to build/bench.json. Times are of the whole process.
"""
import argparse
import contextlib
import json
import math
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/boot"))

import pexpect  # noqa: E402
from conftest import CONSOLE, GUEST_PROMPT, plain  # noqa: E402
from dbt_bench import QEMU_CPUS, cpu_seconds  # noqa: E402

HERE = TOP / "build/bench/programs"
TIMED = ["xz", "zstd", "7zz", "python3", "lua5.4", "sqlite3", "gcc"]  # what dbt_program_speedup is made of
OTHERS = ["openssl", "git", "perl"]
LEAST = {"dbt_program_speedup.riscv64.soft": 1.6, "dbt_program_speedup.riscv64.page-table": 2.0,
         "dbt_program_speedup.aarch64.soft": 1.5, "dbt_program_speedup.aarch64.page-table": 1.8}


def commands(options):
    """A guest of each translator: its name, its command line."""
    guest = TOP / f"build/guest/{options.arch}"
    append = f"console={CONSOLE[options.arch]} quiet root=/dev/vda"
    ours = [TOP / "build/hosted/ennead", "run", "--arch", options.arch, "--memory", "1G", "--cpus", options.cpus, "--kernel", guest / "kernel",
            "--initrd", guest / "initrd", "--append", append, "--disk", HERE / "ennead.img", *(["--mmu", options.mmu] if options.mmu else [])]
    machine = "virt,gic-version=3" if options.arch == "aarch64" else "virt"
    yield "ennead", ours
    for cpu in QEMU_CPUS[options.arch]:
        yield f"qemu {cpu}", [f"qemu-system-{options.arch}", "-accel", "tcg", "-M", machine, "-cpu", cpu, "-m", "1024", "-smp", options.cpus,
                              "-nographic", "-no-reboot", "-kernel", guest / "kernel", "-initrd", guest / "initrd", "-append", append,
                              "-drive", f"file={HERE / 'qemu.img'},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d"]


class Guest:
    """Debian's shell in one of them; its disk is a copy."""

    def __init__(self, label, command, options, stack):
        image = HERE / f"{label.split()[0]}.img"
        image.write_bytes((TOP / f"build/guest/{options.arch}/programs.img").read_bytes())
        self.child = pexpect.spawn(str(command[0]), [str(c) for c in command[1:]], encoding="utf-8", codec_errors="replace", timeout=options.limit)
        stack.callback(self.child.close, force=True)
        self.child.logfile_read = stack.enter_context(open(HERE / f"{label}.log", "w", encoding="utf-8"))
        self.child.expect("Ennead guest ready: Linux")
        self.child.expect_exact(GUEST_PROMPT)

    def run(self, command):
        """What it printed, and seconds of CPU time until the next prompt."""
        before = cpu_seconds(self.child.pid)
        self.child.send(command + "\r")
        self.child.expect_exact(GUEST_PROMPT)
        return plain(self.child.before).split("\n", 1)[-1].strip(), cpu_seconds(self.child.pid) - before


def measure(options, names):
    """By program, and translator (without its CPU): the least CPU time; and what the program printed, by each."""
    best, printed = {}, {}
    for label, command in commands(options):
        who = label.split()[0]
        print(" ".join(str(c) if " " not in str(c) else f"'{c}'" for c in command), flush=True)
        with contextlib.ExitStack() as stack:
            guest = Guest(label, command, options, stack)
            for name in ["prepare", *names]:
                for _ in range(1 if name == "prepare" else options.runs):
                    text, spent = guest.run(f"programs {name}")
                    printed.setdefault(name, {}).setdefault(text, label)
                    best[name, who] = min(spent, best.get((name, who), math.inf))
    return best, printed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=list(QEMU_CPUS), default="riscv64")
    parser.add_argument("--mmu", choices=["soft", "page-table"], help="of ennead")
    parser.add_argument("--cpus", default="1", help="virtual CPUs")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=900, help="seconds that a program may take")
    parser.add_argument("--only", action="append", default=[], choices=TIMED + OTHERS)
    options = parser.parse_args()
    names = options.only or TIMED + OTHERS
    HERE.mkdir(parents=True, exist_ok=True)
    best, printed = measure(options, names)
    print(f"{'':10} {'ennead s':>9} {'qemu s':>9} {'x qemu':>8}")
    for name in names:
        print(f"{name:10} {best[name, 'ennead']:9.2f} {best[name, 'qemu']:9.2f} {best[name, 'qemu'] / best[name, 'ennead']:8.2f}")
    if names == TIMED + OTHERS and options.cpus == "1":
        key = f"dbt_program_speedup.{options.arch}.{options.mmu or 'soft'}"
        value = round(math.exp(sum(math.log(best[n, "qemu"] / best[n, "ennead"]) for n in TIMED) / len(TIMED)), 3)
        print(f"{key} {value}   at least {LEAST[key]}")
        output = TOP / "build/bench.json"
        results = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
        results[key] = value
        output.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    differ = {name: texts for name, texts in printed.items() if len(texts) > 1}
    for name, texts in differ.items():
        print(f"{name} printed not the same:", *(f"\n  {label}: {text}" for text, label in texts.items()))
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
