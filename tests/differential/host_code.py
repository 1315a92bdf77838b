#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Host instructions for typical sequences of guest instructions, against those noted in the tree.

    host_code.py PROGRAM LLVM-TRIPLE FILE [--update]

FILE has a line for each sequence: how many instructions of an x86-64-v3 host a unit of it is, the way out included and what is seldom executed
not, by look-ups and by page tables; then the guest's instructions. Which instructions these are is for the differential tests to say.
A change that lengthens common code fails here, and shows in review when --update has noted it; one that shortens it is told.
"""
import difflib
import pathlib
import re
import subprocess
import sys

ATTRIBUTES = {"riscv64": "+m,+a,+f,+d,+v,+zba,+zbb,+zbs", "aarch64": "+v8.4a,+crypto"}


def assemble(triple, text):
    done = subprocess.run(["llvm-mc-19", f"--triple={triple}", f"--mattr={ATTRIBUTES[triple]}", "--show-encoding"], input=text.replace(";", "\n"),
                          capture_output=True, text=True, check=True)
    words = [bytes(int(b, 16) for b in e.split(",")) for e in re.findall(r"encoding: \[([^\]]*)\]", done.stdout)]
    assert len(words) == text.count(";") + 1, (text, done.stdout)
    return " ".join(f"{int.from_bytes(w, 'little'):x}" for w in words)


def count(host):
    text = subprocess.run(["llvm-mc-19", "--disassemble", "--triple=x86_64"], input=" ".join(f"0x{b:02x}" for b in bytes.fromhex(host)),
                          capture_output=True, text=True, check=True)
    assert not text.stderr, text.stderr
    return len([line for line in text.stdout.splitlines() if line.strip() and not line.strip().startswith(".")])


def numbers(line):
    return [] if line.startswith("#") else [int(n) for n in line.split(" | ")[0].split()]


def main():
    program, triple, path = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    old = path.read_text(encoding="utf-8").splitlines(keepends=True)
    sequences = [line.split(" | ")[1].strip() for line in old if not line.startswith("#")]
    hosts = subprocess.run([program, "--host-code"], input="".join(assemble(triple, s) + "\n" for s in sequences), capture_output=True, text=True,
                           check=True).stdout.split()
    counts = [count(host) for host in hosts]
    new = [line for line in old if line.startswith("#")]
    new += [f"{soft:3} {words:3} | {s}\n" for soft, words, s in zip(counts[::2], counts[1::2], sequences, strict=True)]
    if "--update" in sys.argv:
        path.write_text("".join(new), encoding="utf-8")
    elif new != old:
        print("".join(difflib.unified_diff(old, new, str(path), "what is emitted")) + "make host-code UPDATE=1 notes it")
        if any(n > was for a, b in zip(old, new, strict=True) for was, n in zip(numbers(a), numbers(b))):
            sys.exit("some code has become longer")
    print(f"{triple}: {len(sequences)} sequences, {sum(counts[::2])} host instructions by look-ups, {sum(counts[1::2])} by page tables")


if __name__ == "__main__":
    main()
