#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian's programs in a translated guest: what they print, and their CPU time, beside the same guest by QEMU's translator.

    programs.py [--arch NAME] [--mmu soft|page-table|auto]... [--cpus N] [--runs N] [--profile] [--only NAME]... [--against CPU]...

Both start the same Debian with systemd from the same disk. Each program prints a digest of its work, which has to be the same in
both: so it is a test too. Prints both command lines and a table. Times are of the whole process. With --only the programs can be
measured in several short runs: ratios with one virtual CPU are kept beside the disks, and when there is one of each their mean goes to
build/bench.json.

With --profile the programs run in the translated guest only, and the guest instructions that were executed most are printed; it fails
when one of them calls a C function each time.
"""
import argparse
import contextlib
import json
import math
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/boot"))

import pexpect  # noqa: E402
from conftest import CONSOLE, GUEST_PROMPT, plain  # noqa: E402
from dbt_bench import QEMU_CPUS, cpu_seconds  # noqa: E402

HERE = TOP / "build/bench/programs"
TIMED = ["xz", "zstd", "7zz", "python3", "lua5.4", "sqlite3", "gcc"]  # what dbt_program_speedup is made of
OTHERS = ["openssl", "git", "perl"]
HOTTEST = 200
OBJDUMP = {"riscv64": ["riscv64-linux-gnu-objdump", "-m", "riscv:rv64"], "aarch64": ["aarch64-linux-gnu-objdump", "-m", "aarch64"]}
LEAST = {"dbt_program_speedup.riscv64.soft": 1.6, "dbt_program_speedup.riscv64.page-table": 2.0,
         "dbt_program_speedup.aarch64.soft": 1.5, "dbt_program_speedup.aarch64.page-table": 1.8}


def commands(options):
    """A guest of each translator, ours with each MMU: its name (of ours the MMU's), its command line."""
    guest = TOP / f"build/guest/{options.arch}"
    append = f"console={CONSOLE[options.arch]} quiet root=/dev/vda"
    ours = [TOP / "build/hosted/ennead", "run", "--arch", options.arch, "--memory", "1G", "--cpus", options.cpus, "--kernel", guest / "kernel",
            "--initrd", guest / "initrd", "--append", append, "--disk", HERE / "ennead.img"]
    machine = "virt,gic-version=3" if options.arch == "aarch64" else "virt"
    for mmu in options.mmu:
        yield mmu, [*ours, "--mmu", mmu]
    for cpu in options.against or QEMU_CPUS[options.arch]:
        yield f"qemu {cpu}", [f"qemu-system-{options.arch}", "-accel", "tcg", "-M", machine, "-cpu", cpu, "-m", "1024", "-smp", options.cpus,
                              "-nographic", "-no-reboot", "-kernel", guest / "kernel", "-initrd", guest / "initrd", "-append", append,
                              "-drive", f"file={HERE / 'qemu.img'},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d"]


class Guest:
    """Debian's shell in one of them; its disk is a copy."""

    def __init__(self, label, command, options, stack):
        image = HERE / ("qemu.img" if label.startswith("qemu") else "ennead.img")
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
                    print(f"{label}: {name} {spent:.2f} s", flush=True)
    return best, printed


def disassemble(arch, codes):
    """A line for each instruction, of its bits."""
    binary = HERE / "hottest.bin"
    binary.write_bytes(b"".join(int(bits, 16).to_bytes(len(bits) // 2, "little") for bits in codes))
    done = subprocess.run([*OBJDUMP[arch], "-b", "binary", "-D", binary], capture_output=True, text=True, check=True)
    lines = [line.split("\t", 2)[2] for line in done.stdout.splitlines() if re.match(r"\s*[0-9a-f]+:\t", line)]
    return [re.sub(r"\s+", " ", line) for line in lines]


def profile(options, names):
    """Prints the guest instructions that all the programs execute most. How many of them call C functions."""
    label, command = next(commands(options))
    with contextlib.ExitStack() as stack:
        guest = Guest(label, [*command, "--profile"], options, stack)
        for name in ["prepare", *names]:
            guest.run(f"programs {name}")
        guest.child.send("poweroff -f\r")
        guest.child.expect(pexpect.EOF)
        text = plain(guest.child.before)
    counted = int(re.search(r"profile: (\d+) instructions counted", text)[1])
    found = re.findall(r"^  profile ([0-9a-f]+) ([0-9a-f]+) (\d+) (inline|call)\s*$", text, re.MULTILINE)[:HOTTEST]
    if len(found) < HOTTEST:
        sys.exit(f"only {len(found)} instructions in the profile:\n{text[-2000:]}")
    print(f"{counted} instructions; the {HOTTEST} most executed ones, of {', '.join(names)}:")
    for (gpa, bits, executed, who), line in zip(found, disassemble(options.arch, [f[1] for f in found])):
        print(f"{gpa:>10} {bits:>8} {int(executed):12} {int(executed) / counted:7.3%} {who:6} {line}")
    calls = sum(who == "call" for *_, who in found)
    print(f"{calls} of them call a C function")
    return calls


def note(options, mmu, ratios):
    """Keeps these ratios with those of earlier runs; the mean when there is one of each program."""
    key = f"dbt_program_speedup.{options.arch}.{mmu}"
    kept = HERE / f"{key}.json"
    known = (json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}) | ratios
    kept.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if not set(TIMED) <= set(known):
        return
    value = round(math.exp(sum(math.log(known[n]) for n in TIMED) / len(TIMED)), 3)
    least = f"   at least {LEAST[key]}" if key in LEAST else ""
    print(f"{key} {value}{least}   of", ", ".join(f"{n} {known[n]:.2f}" for n in TIMED))
    output = TOP / "build/bench.json"
    results = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
    results[key] = value
    output.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=list(QEMU_CPUS), default="riscv64")
    parser.add_argument("--mmu", action="append", choices=["soft", "page-table", "auto"], help="of ennead; default: soft")
    parser.add_argument("--cpus", default="1", help="virtual CPUs")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=900, help="seconds that a program may take")
    parser.add_argument("--profile", action="store_true", help="print the guest instructions that are executed most")
    parser.add_argument("--against", action="append", metavar="CPU", help="of QEMU; default: all of which the quickest counts")
    parser.add_argument("--only", action="append", default=[], choices=TIMED + OTHERS)
    options = parser.parse_args()
    options.mmu = options.mmu or ["soft"]
    names = options.only or TIMED + OTHERS
    HERE.mkdir(parents=True, exist_ok=True)
    if options.profile:
        sys.exit(bool(profile(options, options.only or TIMED)))
    best, printed = measure(options, names)
    for mmu in options.mmu:
        ratios = {name: best[name, "qemu"] / best[name, mmu] for name in names}
        print(f"{mmu:10} {'ennead s':>9} {'qemu s':>9} {'x qemu':>8}")
        for name in names:
            print(f"{name:10} {best[name, mmu]:9.2f} {best[name, 'qemu']:9.2f} {ratios[name]:8.2f}")
        if options.cpus == "1":
            note(options, mmu, ratios)
    differ = {name: texts for name, texts in printed.items() if len(texts) > 1}
    for name, texts in differ.items():
        print(f"{name} printed not the same:", *(f"\n  {label}: {text}" for text, label in texts.items()))
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
