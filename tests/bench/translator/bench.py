# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Emitted code against QEMU's translator and native code, on the kernels of kernels.c.

Prints CPU seconds (user and system, the least of --repeat runs) of each kernel as a native program, as
a riscv64 program in emitted code (software TLB), and on QEMU's riscv64 board; checksums must agree.
"""
import argparse
import json
import math
import os
import resource
import subprocess
import sys

INTEGER = ["alu", "branch", "sort", "chase", "crc", "call", "indirect", "copy"]
FLOAT = ["chain", "matrix", "nbody"]


def measure(command, repeat):
    best, said = None, b""
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                              timeout=300).stdout.strip()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        best = used if best is None else min(best, used)
    return best, said


def commands(folder, kernel):
    program = os.path.join(folder, kernel)
    return {
        "native": [program + ".native"],
        "emitted": [os.path.join(folder, "run"), program + ".riscv64"],
        "qemu": ["qemu-system-riscv64", "-M", "virt", "-cpu", "rv64", "-bios", "none", "-nographic",
                 "-monitor", "none", "-serial", "stdio", "-kernel", program + ".bare"],
    }


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where the programs are")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", help="add the figures to this file")
    options = parser.parse_args()
    speedup = {}
    print(" ".join(commands(options.folder, "KERNEL")["qemu"]))
    print(" ".join(commands(options.folder, "KERNEL")["emitted"]))
    for kernel in INTEGER + FLOAT:
        results = {name: measure(command, options.repeat)
                   for name, command in commands(options.folder, kernel).items()}
        if len({said for _, said in results.values()}) != 1:
            sys.exit(f"{kernel}: the checksums differ: {results}")
        seconds = {name: used for name, (used, _) in results.items()}
        speedup[kernel] = seconds["qemu"] / seconds["emitted"]
        print(f"{kernel:9}", *(f"{name} {used:7.3f}" for name, used in seconds.items()),
              f" {speedup[kernel]:5.2f} times QEMU, {seconds['emitted'] / seconds['native']:.2f} of native",
              flush=True)
    figures = {
        "dbt_int_speedup.riscv64.soft": mean([speedup[k] for k in INTEGER]),
        "dbt_int_speedup_min.riscv64.soft": min(speedup[k] for k in INTEGER),
        "dbt_call_speedup.riscv64.soft": speedup["call"],
        "dbt_fp_speedup.riscv64.soft": mean([speedup[k] for k in FLOAT]),
    }
    for name, value in figures.items():
        print(f"{name} {value:.2f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)


main()
