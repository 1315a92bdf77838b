# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The screen console: a screenshot is read back with the glyphs of the console font and compared with the serial port."""
import json
import pathlib

import pytest

from conftest import ARCHES, TOP


def read_ppm(path):
    data = pathlib.Path(path).read_bytes()
    magic, width, height, depth = data.split(maxsplit=4)[:4]
    assert (magic, depth) == (b"P6", b"255")
    width, height = int(width), int(height)
    return width, height, data[-width * height * 3:]


def read_screen(path, font, scale=1, columns=None, rows=None):
    """The lines of text in a screenshot: in each cell the background is the commonest colour, the rest is the glyph.
    `columns` and `rows`: so many cells in the middle, each pixel of the font `scale` pixels wide and high."""
    width, height, pixels = read_ppm(path)
    cell_width, cell_height = font["width"] * scale, font["height"] * scale
    left = (width - columns * cell_width) // 2 if columns else 0
    top = (height - rows * cell_height) // 2 if rows else 0
    known = {}
    for char, glyph in sorted(font["glyphs"].items()):
        known.setdefault(tuple(glyph), char)  # of characters that look alike the first, so ASCII
    seen, lines = {}, []  # most cells look like one before
    for y in range(top, top + (rows or height // cell_height) * cell_height, cell_height):
        line = ""
        for x in range(left, left + (columns or width // cell_width) * cell_width, cell_width):
            starts = [3 * ((y + row) * width + x) for row in range(0, cell_height, scale)]
            whole = b"".join(pixels[start:start + 3 * cell_width] for start in starts)
            if whole not in seen:
                cell = [[pixels[at:at + 3] for at in range(start, start + 3 * cell_width, 3 * scale)] for start in starts]
                flat = [p for row in cell for p in row]
                background = max(set(flat), key=flat.count)
                bits = tuple(sum(1 << (font["width"] - 1 - i) for i in range(font["width"]) if row[i] != background)
                             for row in cell)
                seen[whole] = known.get(bits, "\N{REPLACEMENT CHARACTER}")
            line += seen[whole]
        lines.append(line.rstrip())
    return lines


@pytest.fixture(scope="session")
def font():
    """Made by tools/font.py from the font that the kernel carries."""
    return json.loads((TOP / "build/gen/font.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("arch", ARCHES)
def test_screen_shows_what_the_serial_port_shows(boot, font, arch, tmp_path):
    machine = boot(arch)
    machine.prompt(timeout=240)
    serial = machine.run("help")
    machine.run("vm list")  # the screen is drawn behind the serial port: one more command passes
    picture = tmp_path / "screen.ppm"
    wanted = [line.strip() for line in serial.splitlines() if line.startswith("  ")]
    for _ in range(50):
        machine.host.screenshot(picture)
        lines = [line.strip() for line in read_screen(picture, font)]
        if all(line in lines for line in wanted):
            break
    assert [line for line in wanted if line not in lines] == []
    assert any(line.startswith("ennead>") for line in lines)
