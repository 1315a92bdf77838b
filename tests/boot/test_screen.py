# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The screen console: a screenshot is read back with the glyphs of the console font and compared with the serial port."""
import json
import pathlib

import pexpect
import pyte
import pytest

from conftest import ARCHES, GUEST_PROMPT, TOP, guest_config, guest_files
from test_keyboard import keyboard_found, press, type_text


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


class View:
    """A guest's view: what another terminal, pyte, makes of the same bytes on the serial line, against screenshots."""

    def __init__(self, machine, font, picture):
        self.machine, self.font, self.picture = machine, font, picture
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.Stream(self.screen)
        machine.child.logfile_read = self

    def write(self, text):
        self.machine.log.write(text)
        self.stream.feed(text)

    def flush(self):
        self.machine.log.flush()

    def wait(self, right):
        """The view's 25 lines, the last of which tells whose it is, once they are right."""
        for _ in range(200):  # a screen tells of nothing that could be awaited
            try:
                self.machine.child.read_nonblocking(4096, timeout=0)
            except pexpect.TIMEOUT:
                pass
            self.machine.host.screenshot(self.picture)
            lines = read_screen(self.picture, self.font, scale=2, columns=80, rows=25)
            if right(lines):
                return lines
        raise AssertionError("\n".join(["the view:", *lines, "pyte:", *self.screen.display]))

    def lines(self):
        return self.wait(lambda lines: lines[:24] == [line.rstrip() for line in self.screen.display])


def test_a_guest_is_used_by_screen_and_keyboard(boot, font, tmp_path):
    """Full-screen programs on a guest's view, driven by keys; what the guest said last is there after its crash."""
    config = guest_config("x86_64").replace("console = x86_64\n", "").replace("ttyS0", "ttyS0 quiet reboot=triple")
    machine = boot("x86_64", config, guest_files("x86_64"), keyboard=True, memory=1024, timeout=90)
    keyboard_found(machine)
    machine.child.send("vm console x86_64\r")
    machine.expect("Ennead guest ready", timeout=300)
    machine.child.expect_exact(GUEST_PROMPT)
    press(machine, "f2")
    type_text(machine, "clear")
    view = View(machine, font, tmp_path / "screen.ppm")
    press(machine, "ret")
    machine.child.expect_exact(GUEST_PROMPT)
    assert view.lines()[24].startswith(" x86_64, running: Alt-F2   Monitor: Alt-F1")

    type_text(machine, "vi /f\n")
    machine.expect("- /f")
    press(machine, "i")
    machine.expect("I /f")
    type_text(machine, "hello")
    press(machine, "ret")
    machine.expect("2/2")
    type_text(machine, "there")
    press(machine, "esc")
    machine.expect("- /f")  # what comes at once behind it would be a key's sequence
    lines = view.lines()
    assert lines[:3] == ["hello", "there", "~"] and lines[22] == "~" and "2/2" in lines[23]
    press(machine, "shift-semicolon")
    type_text(machine, "wq")
    press(machine, "ret")
    machine.child.expect_exact(GUEST_PROMPT)
    type_text(machine, "wc /f\n")
    machine.expect("2 +2 +12 /f")
    machine.child.expect_exact(GUEST_PROMPT)
    # The screen as it was before vi, which pyte does not know of.
    before = ["guest# vi /f", "guest# wc /f", "        2         2        12 /f", "guest#"]
    view.wait(lambda lines: lines[:5] == before + [""])
    type_text(machine, "clear\n")
    machine.child.expect_exact(GUEST_PROMPT)
    type_text(machine, "top\n")
    machine.expect("Mem: .* used")
    press(machine, "q")
    machine.child.expect_exact(GUEST_PROMPT)
    assert any("COMMAND" in line for line in view.lines())

    # The monitor and back; then the guest dies, and what it said is still there.
    press(machine, "alt-f1")
    view.wait(lambda lines: "running: Alt-F2" not in lines[24])
    press(machine, "alt-right")
    view.wait(lambda lines: "running: Alt-F2" in lines[24])
    type_text(machine, "reboot -f")
    view.lines()
    press(machine, "ret")
    lines = view.wait(lambda lines: lines[24].startswith(" x86_64, stopped by a fault: Alt-F2"))
    assert "guest# reboot -f" in lines and any("reboot: Restarting system" in line for line in lines)
    assert any("COMMAND" in line for line in lines)
