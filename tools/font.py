#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Turn a console font (PSF 1 or 2, gzip-compressed) into the kernel's font.c, or into JSON for tests.

    font.py c FONT OUTPUT
    font.py json FONT OUTPUT        {"width", "height", "glyphs": {character: [row as a number, ...]}}
"""
import gzip
import json
import struct
import sys

# What a monitor prints: ASCII, Latin-1, dashes and quotes, arrows, lines and blocks.
RANGES = [(0x20, 0x7E), (0xA0, 0xFF), (0x2010, 0x2026), (0x2190, 0x2193), (0x2500, 0x259F), (0x25A0, 0x25A0),
          (0xFFFD, 0xFFFD)]


class Font:
    def __init__(self, path):
        with gzip.open(path) as file:
            data = file.read()
        if data[:2] == b"\x36\x04":
            mode, self.height = data[2], data[3]
            self.width, start, size = 8, 4, self.height
            count = 512 if mode & 1 else 256
            separator, units = 0xFFFF, 2
        elif data[:4] == b"\x72\xb5\x4a\x86":
            _, _, start, _, count, size, self.height, self.width = struct.unpack_from("<8I", data)
            separator, units = 0xFF, 1
        else:
            sys.exit(f"{path}: not a console font")
        bitmaps = [data[start + i * size:start + (i + 1) * size] for i in range(count)]
        table = data[start + count * size:]
        self.glyphs = {}
        sets = self.psf1_sets(table) if units == 2 else self.psf2_sets(table)
        for bitmap, points in zip(bitmaps, sets):
            for point in points:
                if any(low <= point <= high for low, high in RANGES):
                    self.glyphs[point] = bitmap
        missing = [point for point in range(0x20, 0x7F) if point not in self.glyphs]
        if missing:
            sys.exit(f"{path}: no glyph for {missing}")

    @staticmethod
    def psf1_sets(table):
        """Lists of UTF-16 units ended by FFFF; FFFE begins sequences, which are left out."""
        words = struct.unpack(f"<{len(table) // 2}H", table)
        points, single = [], True
        for word in words:
            if word == 0xFFFF:
                yield points
                points, single = [], True
            elif word == 0xFFFE:
                single = False
            elif single:
                points.append(word)

    @staticmethod
    def psf2_sets(table):
        """UTF-8 lists ended by FF; FE begins sequences, which are left out."""
        for entry in table.split(b"\xff")[:-1]:
            yield [ord(character) for character in entry.split(b"\xfe")[0].decode()]


def c_source(font):
    points = sorted(font.glyphs)
    replacement = points.index(0xFFFD if 0xFFFD in font.glyphs else ord("?"))
    lines = ["/* Made by tools/font.py. */", '#include "drivers/display/font.h"', "",
             "static const uint16_t unicode[] = {"]
    lines += ["    " + ", ".join(f"0x{point:04x}" for point in points[i:i + 12]) + ","
              for i in range(0, len(points), 12)]
    lines += ["};", "", "static const uint8_t glyphs[] = {"]
    lines += ["    " + ", ".join(f"0x{byte:02x}" for byte in font.glyphs[point]) + "," for point in points]
    lines += ["};", "", "const struct font console_font = {", f"    .width = {font.width},",
              f"    .height = {font.height},", f"    .count = {len(points)},",
              f"    .replacement = {replacement},", "    .unicode = unicode,", "    .glyphs = glyphs,", "};"]
    return "\n".join(lines) + "\n"


def json_text(font):
    row = (font.width + 7) // 8
    glyphs = {chr(point): [int.from_bytes(bitmap[i:i + row], "big") for i in range(0, len(bitmap), row)]
              for point, bitmap in sorted(font.glyphs.items())}
    return json.dumps({"width": font.width, "height": font.height, "glyphs": glyphs})


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("c", "json"):
        sys.exit(__doc__)
    font = Font(sys.argv[2])
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        file.write(c_source(font) if sys.argv[1] == "c" else json_text(font))


if __name__ == "__main__":
    main()
