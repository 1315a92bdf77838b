#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Make the compact symbol table of kernel.elf, from which backtraces get their names.

    symbols.py table KERNEL OUTPUT NM   write the table of a linked kernel
    symbols.py same FIRST SECOND NM     check that two links placed every function alike

The table, little-endian throughout:
    u32 count
    count times { u32 offset from __kernel_start, u32 offset of the name from the first name }
    the names, each ended by a zero byte
It lists functions only, sorted by offset; of several names for one address the first global one.
"""
import struct
import subprocess
import sys


def functions(kernel, nm):
    """(offset, name) of every function, sorted, one name an address."""
    out = subprocess.run([nm, "--defined-only", kernel], check=True, capture_output=True, text=True)
    start = 0
    found = {}
    for line in out.stdout.splitlines():
        address, kind, name = line.split(maxsplit=2)
        if name == "__kernel_start":
            start = int(address, 16)
        # Skip the marks that assemblers leave ($x, .L...) and the linker script's own symbols.
        if kind not in "tT" or name.startswith(("$", ".L", "__text_", "__kernel_")):
            continue
        rank = (kind != "T", name)
        address = int(address, 16)
        if address not in found or rank < found[address]:
            found[address] = rank
    return [(address - start, found[address][1]) for address in sorted(found)]


def table(symbols):
    names = bytearray()
    entries = bytearray(struct.pack("<I", len(symbols)))
    for offset, name in symbols:
        entries += struct.pack("<II", offset, len(names))
        names += name.encode() + b"\0"
    return bytes(entries + names)


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("table", "same"):
        sys.exit(__doc__)
    nm, command, first, second = sys.argv[4], sys.argv[1], sys.argv[2], sys.argv[3]
    if command == "table":
        with open(second, "wb") as file:
            file.write(table(functions(first, nm)))
    elif functions(first, nm) != functions(second, nm):
        sys.exit("symbols.py: the symbol table moved code between the two links")


if __name__ == "__main__":
    main()
