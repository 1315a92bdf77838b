#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Make a symbol file for gdb of a Linux guest's own list of symbols.

    guest-symbols.py ARCH KALLSYMS OUTPUT

KALLSYMS holds what /proc/kallsyms says to root in the guest, or lines of it; gdb takes OUTPUT by "symbol-file". The
distribution's package with all debugging information is not needed for names in breakpoints and backtraces.
"""
import re
import struct
import sys

# ELF-64 Object File Format, version 1.5; the machines' numbers are those of the System V ABI's list.
MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243}
ET_DYN, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 3, 2, 3, 8  # an executable would have an entry, where backtraces end
SHF_ALLOC_EXECINSTR = 6
STT_NOTYPE, STT_FUNC, STB_GLOBAL = 0, 2, 1
HEADER, SECTION, SYMBOL = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ")
LINE = re.compile(r"^([0-9a-f]{8,16}) (\w) (\S+)", re.M)
REACH = 4096  # of the last symbol, whose end nothing tells


class Strings:
    """A string table: add() gives the offset of a name."""

    def __init__(self):
        self.bytes = bytearray(b"\0")

    def add(self, name):
        self.bytes += name.encode() + b"\0"
        return len(self.bytes) - len(name.encode()) - 1


def symbols(text):
    """(address, is a function, name), sorted; of per-CPU offsets and other small numbers none."""
    found = ((int(address, 16), kind in "tTwW", name) for address, kind, name in LINE.findall(text))
    return sorted(symbol for symbol in found if symbol[0] >> 32)


def symbol_file(arch, found):
    names, sections = Strings(), Strings()
    table = bytearray(SYMBOL.size)
    for i, (address, function, name) in enumerate(found):
        end = next((other for other, _, _ in found[i + 1:i + 50] if other > address), address + REACH)
        table += SYMBOL.pack(names.add(name), STB_GLOBAL << 4 | (STT_FUNC if function else STT_NOTYPE), 0, 1, address, end - address)
    begin, end = found[0][0], found[-1][0] + REACH
    parts = [table, names.bytes, sections.bytes]
    kinds = [(SHT_SYMTAB, ".symtab"), (SHT_STRTAB, ".strtab"), (SHT_STRTAB, ".shstrtab")]
    headers = bytearray(SECTION.size)
    headers += SECTION.pack(sections.add(".text"), SHT_NOBITS, SHF_ALLOC_EXECINSTR, begin, HEADER.size, end - begin, 0, 0, 16, 0)
    labels = [sections.add(name) for _, name in kinds]
    at = HEADER.size
    for part, (kind, _), label in zip(parts, kinds, labels):
        # Of the table of symbols: its names are in section 3, one of its symbols is local.
        link, info, size = (3, 1, SYMBOL.size) if kind == SHT_SYMTAB else (0, 0, 0)
        headers += SECTION.pack(label, kind, 0, 0, at, len(part), link, info, 8, size)
        at += len(part)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little-endian, version 1
    header = HEADER.pack(identity, ET_DYN, MACHINES[arch], 1, 0, 0, at, 0, HEADER.size, 0, 0, SECTION.size, 2 + len(parts), 4)
    return header + b"".join(parts) + headers


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in MACHINES:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        found = symbols(file.read())
    if not found:
        sys.exit(f"{sys.argv[2]} has no line with the address of a symbol: read /proc/kallsyms as root in the guest")
    with open(sys.argv[3], "wb") as file:
        file.write(symbol_file(sys.argv[1], found))


if __name__ == "__main__":
    main()
