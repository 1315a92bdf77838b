#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Measure the translator against QEMU's: the same kernel, the same first process, CPU time of the whole process between two lines of it.

    dbt_bench.py [--engine NAME] [--mmu soft|page-table|auto] [--scale PERCENT] [--runs N] [--only NAME]...

Prints both command lines and a table, and adds to build/bench.json. Times are the least of the runs; ratios compare within one call.
"""
import argparse
import json
import math
import os
import pathlib
import re
import resource
import selectors
import subprocess
import sys
import time
from statistics import median

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = TOP / "build/bench/dbt"
INTEGER = ["alu", "branch", "sort", "chase", "crc", "call", "indirect", "copy"]
FLOAT = ["fpchain", "matmul", "nbody"]
SYSTEM = ["os_syscall", "os_fork", "os_exec", "os_fault", "os_switch", "os_signal", "os_pipe"]
LEAST = {"dbt_int_speedup": 1.7, "dbt_int_speedup.riscv64.page-table": 2.1, "dbt_int_speedup.aarch64.page-table": 1.8,
         "dbt_int_speedup_min.riscv64.page-table": 1.0, "dbt_int_speedup_min.aarch64.page-table": 1.0, "dbt_call_speedup.riscv64.page-table": 7,
         "dbt_int_speedup.aarch64.soft": 1.5, "dbt_int_speedup_min": 0.9, "dbt_call_speedup": 5,
         "dbt_call_speedup.aarch64.soft": 3, "dbt_fp_speedup": 6, "dbt_fp_speedup.aarch64.soft": 5, "dbt_boot_speedup": 1.25,
         "dbt_os_speedup_min": 1.0, "dbt_smp_efficiency": 0.9, "dbt_translate_ips": 2_500_000, "dbt_interp_mips": 60}
MOST = {"dbt_full_flush_rate": 0.01, "dbt_memory_mib": 64}
NOTHING = "-"  # no kernel has this name: the first process ends at once
LIMIT_S = 600
PARALLEL_ROUNDS, PARALLEL_TRIES, PARALLEL_LONGER = 5, 3, 4
QUIET = 0.05  # of one CPU: so much others may have while the parallel kernel is measured
# The quickest one is what is compared with.
QEMU_CPUS = {"riscv64": ["rv64"], "aarch64": ["cortex-a72", "neoverse-n1", "max,pauth-impdef=on"]}
CONSOLE = {"riscv64": "console=ttyS0 earlycon=uart8250,mmio,0x10000000", "aarch64": "console=ttyAMA0 earlycon=pl011,mmio,0x9000000"}


def build(arch):
    """The kernels for the guest, in an initial RAM disk as its first process, and natively."""
    HERE.mkdir(parents=True, exist_ok=True)
    flags = ["-O2", "-fno-tree-vectorize", "-ffp-contract=off", "-Wall", "-Wextra", "-static", "-pthread", str(TOP / "tests/bench/kernels.c"), "-o"]
    native, root = HERE / "kernels", HERE / f"root-{arch}"
    root.mkdir(exist_ok=True)
    subprocess.run(["gcc", *flags, native], check=True)
    subprocess.run([f"{arch}-linux-gnu-gcc", *flags, root / "init"], check=True)
    initrd = HERE / f"initrd-{arch}"
    with initrd.open("wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=b"init\n", cwd=root, stdout=out, check=True)
    return native, initrd


def busy_seconds():
    """CPU time of everything on this machine, and what was taken from it."""
    user, nice, system, _, _, *rest = (int(n) for n in pathlib.Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Times:
    """CPU and wall time of a process at the lines that it prints, and the CPU time of all others."""

    def __init__(self, command, log, limit=LIMIT_S):
        self.at, self.sums, self.wall, self.others = {}, {}, {}, {}
        with log.open("wb") as copy, subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                      stderr=subprocess.STDOUT) as process:
            try:
                self.read(process, copy, time.monotonic() + limit)
            finally:
                process.kill()

    def read(self, process, copy, end):
        text = b""
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while ready.select(max(0, end - time.monotonic())):
                got = os.read(process.stdout.fileno(), 65536)
                if not got:
                    return
                copy.write(got)
                *lines, text = (text + got).split(b"\n")
                for line in lines:
                    self.line(line.decode(errors="replace").strip(), process.pid)
        raise TimeoutError(f"no end after {LIMIT_S} s: see the log")

    def line(self, line, pid):
        mark = re.search(r"(Linux version|kernels: ready|[<>][a-z_]+)( [0-9a-f]{16})?$" if line[:1] in "<>k" else r"(Linux version)", line)
        if mark and mark[1] not in self.at:
            self.at[mark[1]], self.wall[mark[1]] = cpu_seconds(pid), time.monotonic()
            self.others[mark[1]] = busy_seconds() - self.at[mark[1]]
            if mark.lastindex > 1:
                self.sums[mark[1][1:]] = mark[2]

    def spent(self, begin, end, wall=False):
        at = self.wall if wall else self.at
        return max(at[end] - at[begin], 0.01)

    def disturbed(self, begin, end):
        """The share of one CPU that others had."""
        return max(self.others[end] - self.others[begin], 0) / self.spent(begin, end, wall=True)


def commands(options, native, initrd):
    cpus = ["--cpus", "2"] if options.smp else []
    append = f"{CONSOLE[options.arch]} -- {options.scale} {' '.join(options.only)}".rstrip()
    kernel = options.kernel or TOP / f"build/guest/{options.arch}/kernel"
    ours = [TOP / "build/hosted/ennead", "run", "--arch", options.arch, "--memory", "512M", *cpus, "--kernel", kernel, "--initrd", initrd, "--append", append,
            *(["--engine", options.engine] if options.engine else []), *(["--mmu", options.mmu] if options.mmu else [])]
    machine = "virt,gic-version=3" if options.arch == "aarch64" else "virt"
    theirs = [(f"qemu {cpu}", [options.qemu or f"qemu-system-{options.arch}", "-accel", "tcg", "-M", machine, "-cpu", cpu, "-m", "512", "-smp",
                               "2" if options.smp else "1", "-nographic", "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", append])
              for cpu in QEMU_CPUS[options.arch]]
    return [("ennead", ours), *theirs, ("native", [native, str(options.scale), *options.only])]


def measure(options):
    native, initrd = build(options.arch)
    best, sums = {}, {}
    for label, command in commands(options, native, initrd):
        who = label.split()[0]
        print(" ".join(str(c) if " " not in str(c) else f"'{c}'" for c in command), flush=True)
        for run in range(options.runs):
            times = Times(command, HERE / f"{label.replace(' ', '.')}.{run}.log")
            for name in ["boot", *times.sums]:
                try:
                    spent = (times.spent("Linux version", "kernels: ready") if name == "boot" else
                             times.spent("<" + name, ">" + name, wall=name == "parallel"))
                except KeyError:
                    continue
                best[name, who] = min(spent, best.get((name, who), math.inf))
            for name, value in times.sums.items():
                if sums.setdefault(name, value) != value and name != "os_exec":
                    sys.exit(f"{name}: {who} computed {value.strip()}, others {sums[name].strip()}")
    return best


class Statistics:
    """What `--stats` prints at the guest's end, and the CPU time of the whole process."""

    def __init__(self, command):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([str(c) for c in [*command, "--stats"]], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              check=False, timeout=LIMIT_S)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.text = done.stdout

    def numbers(self, pattern):
        found = re.search(pattern, self.text)
        if not found:
            sys.exit(f"no line '{pattern}' in the statistics:\n{self.text[-2000:]}")
        return [int(n) for n in found.groups()]


def count_flushes(statistics):
    everything, asid, page = statistics.numbers(r"flushes: all (\d+), ASID (\d+), page (\d+)")
    return everything, everything + asid + page


def statistics(options, initrd):
    """Figures that the translator counts itself: on a boot, and on switches of processes beyond one."""
    def run(names, engine, scale):
        chosen = argparse.Namespace(**{**vars(options), "only": names, "engine": engine, "scale": scale})
        return Statistics(commands(chosen, None, initrd)[0][1])

    boots = [run([NOTHING], "jit", 100) for _ in range(options.runs)]  # of the wall clock: the quickest counts
    short, long = run(["os_switch"], None, 100), run(["os_switch"], None, 400)
    interpreted = run([NOTHING], "interp", 100)
    translated = [insns * 1e6 / spent for insns, spent in (b.numbers(r"units of (\d+) instructions made in (\d+) us") for b in boots)]
    full, flushes = (b - a for a, b in zip(count_flushes(short), count_flushes(long)))
    return {f"dbt_translate_ips.{options.arch}": max(translated),
            f"dbt_interp_mips.{options.arch}": interpreted.numbers(r"translator: (\d+) instructions")[0] / 1e6 / interpreted.seconds,
            f"dbt_full_flush_rate.{options.arch}": full / max(flushes, 1),
            f"dbt_memory_mib.{options.arch}": long.numbers(r"with the code cache (\d+) KiB")[0] / 1024}


def smp_efficiency(options, native, initrd):
    """What a second virtual CPU brings the parallel kernel, beside what a second CPU brings it natively: the middle one of several rounds, in each
    of which all four are measured one after another. What others disturbed is measured again, and the least disturbed one counts."""
    scale = PARALLEL_LONGER * options.scale

    def translated(smp):
        return commands(argparse.Namespace(**{**vars(options), "only": ["parallel"], "smp": smp, "scale": scale}), native, initrd)[0][1]

    def seconds(label, command):
        tries = []
        while len(tries) < PARALLEL_TRIES and not any(disturbed < QUIET for disturbed, _ in tries):
            times = Times(command, HERE / f"parallel.{label}.log")
            tries.append((times.disturbed("<parallel", ">parallel"), times.spent("<parallel", ">parallel", wall=True)))
        return min(tries)

    alone = [native, str(scale), "parallel"]
    what = {"native1": ["taskset", "-c", "0", *alone], "ennead1": translated(False), "native2": alone, "ennead2": translated(True)}
    gains, loud = [], 0
    for _ in range(PARALLEL_ROUNDS):
        got = {label: seconds(label, command) for label, command in what.items()}
        loud += any(disturbed >= QUIET for disturbed, _ in got.values())
        gains.append((got["ennead1"][1] / got["ennead2"][1], got["native1"][1] / got["native2"][1]))
        print(f"parallel: twice the CPUs, {gains[-1][0]:.2f} times as quick translated, {gains[-1][1]:.2f} times natively; "
              + ", ".join(f"{label} {spent:.2f} s ({disturbed:.0%} others)" for label, (disturbed, spent) in got.items()), flush=True)
    if loud:
        print(f"parallel: others disturbed {loud} of {PARALLEL_ROUNDS} rounds")
    return {f"dbt_smp_efficiency.{options.arch}": median(ours / theirs for ours, theirs in gains)}


def table(best):
    print(f"{'':12} {'native s':>9} {'ennead s':>9} {'qemu s':>9} {'x native':>9} {'x qemu':>9}")
    for name in dict.fromkeys(n for n, _ in best):
        native, ours, theirs = (best.get((name, w), math.nan) for w in ("native", "ennead", "qemu"))
        print(f"{name:12} {native:9.2f} {ours:9.2f} {theirs:9.2f} {ours / native:9.2f} {theirs / ours:9.2f}")


def results(best, arch, mmu):
    speed = {n: best[n, "qemu"] / best[n, "ennead"] for n, w in best if w == "ennead" and (n, "qemu") in best}

    def mean(names):
        return math.exp(sum(math.log(speed[n]) for n in names) / len(names))

    def have(names):
        return all(n in speed for n in names)

    out = {}
    if have(INTEGER):
        out[f"dbt_int_speedup.{arch}.{mmu}"] = mean(INTEGER)
        out[f"dbt_int_speedup_min.{arch}.{mmu}"] = min(speed[n] for n in INTEGER)
    if have(["call"]):
        out[f"dbt_call_speedup.{arch}.{mmu}"] = speed["call"]
    if have(FLOAT):
        out[f"dbt_fp_speedup.{arch}.{mmu}"] = mean(FLOAT)
    if have(["boot"]) and mmu == "soft":
        out[f"dbt_boot_speedup.{arch}"] = speed["boot"]
    if have(SYSTEM) and mmu == "soft":
        out[f"dbt_os_speedup_min.{arch}"] = min(speed[n] for n in SYSTEM)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=list(QEMU_CPUS), default="riscv64")
    parser.add_argument("--engine", help="of ennead; default: the best")
    parser.add_argument("--mmu", choices=["soft", "page-table", "auto"], help="of ennead; with page-table only the kernels mean something")
    parser.add_argument("--scale", type=int, default=400, help="percent of the shortest measurement")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="kernels whose names begin so")
    parser.add_argument("--statistics", action="store_true", help="only what the translator counts itself; else with all kernels")
    parser.add_argument("--smp", action="store_true", help="two virtual CPUs")
    parser.add_argument("--kernel", type=pathlib.Path)
    parser.add_argument("--qemu", help="the QEMU to compare with")
    options = parser.parse_args()
    best = {} if options.statistics else measure(options)
    everything = options.statistics or not (options.only or options.mmu)
    counted = statistics(options, build(options.arch)[1]) if everything else {}
    if everything:
        counted |= smp_efficiency(options, *build(options.arch))
    table(best)
    output = TOP / "build/bench.json"
    all_results = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
    for name, value in {**results(best, options.arch, options.mmu or "soft"), **counted}.items():
        all_results[name] = round(value, 3)
        short = name.split(".", maxsplit=1)[0]
        least = LEAST.get(name, LEAST.get(short))
        print(f"{name:45} {value:>16.3f}   {f'at most {MOST[short]}' if short in MOST else f'at least {least}'}")
    output.write_text(json.dumps(all_results, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
