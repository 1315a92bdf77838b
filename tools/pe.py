#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Finish a PE image for strict firmware, and check it.

    pe.py finish IMAGE          zero the time stamp, mark the image no-execute compatible, set the checksum,
                            then check as below
    pe.py check IMAGE       fail unless every section is page-aligned and none is writable and executable,
                            and the image is at most 2 MiB

Field offsets are those of the PE format specification (Microsoft), optional header PE32+.
"""
import struct
import sys

IMAGE_LIMIT = 2 << 20
PAGE = 4096
NX_COMPAT = 0x0100
SECTION_EXECUTE = 0x20000000
SECTION_READ = 0x40000000
SECTION_WRITE = 0x80000000


class Image:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = bytearray(file.read())
        if self.data[:2] != b"MZ":
            raise ValueError("not a PE image")
        self.pe = self.u32(0x3C)
        if self.data[self.pe:self.pe + 4] != b"PE\0\0":
            raise ValueError("not a PE image")
        self.optional = self.pe + 24
        if self.u16(self.optional) != 0x20B:
            raise ValueError("not a 64-bit PE image")

    def u16(self, at):
        return struct.unpack_from("<H", self.data, at)[0]

    def u32(self, at):
        return struct.unpack_from("<I", self.data, at)[0]

    def put(self, layout, at, value):
        struct.pack_into(layout, self.data, at, value)

    def sections(self):
        """(name, virtual size, virtual address, raw size, raw offset, characteristics)"""
        first = self.optional + self.u16(self.pe + 20)
        for index in range(self.u16(self.pe + 6)):
            at = first + 40 * index
            name = bytes(self.data[at:at + 8]).rstrip(b"\0").decode()
            yield (name, *struct.unpack_from("<IIII", self.data, at + 8), self.u32(at + 36))

    def finish(self):
        self.put("<I", self.pe + 8, 0)
        self.put("<H", self.optional + 70, self.u16(self.optional + 70) | NX_COMPAT)
        self.put("<I", self.optional + 64, 0)
        self.put("<I", self.optional + 64, self.checksum())

    def checksum(self):
        """16-bit ones' complement sum of the file with the field as zero, plus the length."""
        data = bytes(self.data) + b"\0" * (len(self.data) % 2)
        total = sum(struct.unpack(f"<{len(data) // 2}H", data))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return total + len(self.data)

    def faults(self):
        if self.u32(self.optional + 32) % PAGE:
            yield f"sections are aligned to {self.u32(self.optional + 32)} bytes, not to pages"
        for name, _, address, _, _, flags in self.sections():
            if address % PAGE:
                yield f"section {name} begins inside a page"
            if flags & SECTION_WRITE and flags & SECTION_EXECUTE:
                yield f"section {name} is writable and executable"
        if len(self.data) > IMAGE_LIMIT:
            yield f"{len(self.data)} bytes, over the limit of {IMAGE_LIMIT}"


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("finish", "check", "show"):
        sys.exit(__doc__)
    command, path = sys.argv[1:3]
    image = Image(path)
    if command == "finish":
        image.finish()
        with open(path, "wb") as file:
            file.write(image.data)
    if command == "show":
        for section in image.sections():
            print("%-8s %8x %8x %8x %8x %08x" % section)
    faults = list(image.faults())
    if faults:
        sys.exit("\n".join(f"{path}: {fault}" for fault in faults))


if __name__ == "__main__":
    main()
