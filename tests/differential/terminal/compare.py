#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Compare the screen's terminal with pyte, an independent VT100, on random sequences.

compare.py PROGRAM CASES SEED: PROGRAM is build/hosted/differential/terminal. What pyte does otherwise than a VT100 and
xterm is not generated, and named where that is decided.
"""
import random
import subprocess
import sys

import pyte

COLOURS = ["black", "red", "green", "brown", "blue", "magenta", "cyan", "white"]
BRIGHT = ["brightblack", "brightred", "brightgreen", "brightbrown", "brightblue", "bfightmagenta", "brightcyan",
          "brightwhite"]
NUMBER = {name: i for i, name in enumerate(COLOURS)} | {name: i + 8 for i, name in enumerate(BRIGHT)}
NUMBER |= {"brightmagenta": 13, "brightyellow": 11, "yellow": 3}
TEXT = "abcXYZ 019~-éßΩ│─┌█"


def number(rng, limit):
    return rng.choice(["", str(rng.randint(1, limit)), str(rng.randint(1, limit)), "0", "9999"])


def rendition(rng):
    one = ["0", "22", "39"] + [str(30 + i) for i in range(8)]
    return ";".join(rng.choice(one) for _ in range(rng.randint(1, 3)))


def attributed(rng):
    """Text with a background, inverse, bold or underlined. pyte blanks cells with all attributes or with none, terminals
    with the background alone: so nothing is blanked meanwhile."""
    on, off = rng.choice([("1", "22"), ("4", "24"), ("7", "27"), ("1;4", "22;24"), (f"4{rng.randint(0, 7)}", "49")])
    return f"\033[{on}m" + "".join(rng.choice(TEXT) for _ in range(rng.randint(1, 3))) + f"\033[{off}m"


def piece(rng, columns, rows):
    """One thing that a program may send."""
    csi = "\033["
    size = number(rng, max(columns, rows) + 2)
    top = rng.randint(1, rows - 1)
    bottom = rng.randint(top + 1, rows)
    at = f"{rng.randint(1, rows)};{rng.randint(1, columns)}"
    home = csi + at + "H"
    words = "".join(rng.choice(TEXT) for _ in range(rng.choice([1, 3, columns - 1, columns + 3])))
    region = f"{csi}{top};{bottom}r"
    inside = f"{csi}{rng.randint(top, bottom)};{rng.randint(1, columns)}H"
    whole = f"{csi}1;{rows}r"  # pyte does not know it without numbers
    # pyte keeps a wrap pending over most movements, draws the cursor into a region that it is not in, takes
    # origin mode for an error without a region, and never takes it back with the cursor: none of that is generated.
    return rng.choice([
        lambda: words + rng.choice(["\r", "\r\n", home]),
        lambda: words + rng.choice(["\r", "\r\n", home]),
        lambda: rng.choice(["\r", "\n", "\r\n", "\b", "\t", "\v", "\f", "\a", "\0"]),
        lambda: home,
        lambda: whole + home + csi + size + rng.choice("ABEFde"),
        lambda: csi + size + rng.choice("CDGa"),
        lambda: csi + rng.choice(["", "0", "1", "2"]) + rng.choice("JK"),
        lambda: csi + size + rng.choice("LMP@X"),
        lambda: csi + rendition(rng) + "m",
        lambda: f"{csi}1;1H" + attributed(rng) + home,
        lambda: region + inside + "".join(rng.choice(["\n", "\033D", "\033M", csi + size + "L", csi + size + "M", words + "\r"])
                                          for _ in range(rng.randint(1, 6))) + whole + home,
        lambda: region + f"{csi}?6h{csi}{rng.randint(1, bottom - top + 1)};1H{words[:2]}{csi}6n{csi}?6l" + whole + home,
        lambda: "\033" + rng.choice("DM"),
        lambda: "\0337",
        lambda: whole + "\0338\0337",  # pyte keeps a stack, terminals one place; and moves the cursor into a region
        lambda: "\033H",
        lambda: csi + rng.choice(["", "0", "3"]) + "g",
        lambda: csi + rng.choice(["20", "?25"]) + rng.choice("hl"),
        lambda: csi + rng.choice(["6n", "5n"]),
        lambda: csi + "4h" + home + words[:2] + home + csi + "4l",  # pyte keeps what is moved out at the end of a row
        lambda: csi + "?7l" + words + home + csi + "?7h",
        lambda: "\033]0;title\a",
    ])()


def shown_by_pyte(pieces, columns, rows, utf8=True):
    """Rows of (code, colours, underlined), cursor and replies. pyte has either UTF-8 or the charset of line drawing."""
    screen = pyte.Screen(columns, rows)
    replies = []
    screen.write_process_input = replies.append
    stream = pyte.Stream(screen)
    stream.use_utf8 = utf8
    for char in "".join(pieces):
        stream.feed(char)
        for y in range(rows):
            screen.buffer[y]  # makes it: inserting and deleting lines goes wrong where there is none
    lines = []
    for y in range(rows):
        line = []
        for x in range(columns):
            c = screen.buffer[y][x]
            fg = 7 if c.fg == "default" else NUMBER[c.fg]
            bg = 0 if c.bg == "default" else NUMBER[c.bg]
            if c.bold and fg < 8:
                fg += 8
            if c.reverse:
                fg, bg = bg, fg
            line.append((c.data, fg, bg, c.underscore))
        lines.append(line)
    return lines, (screen.cursor.y, screen.cursor.x), "".join(replies)


def shown_by_us(process, text, columns, rows):
    data = text.encode()
    process.stdin.write(f"{columns} {rows} {len(data)}\n".encode() + data)
    process.stdin.flush()
    lines = []
    for _ in range(rows):
        line = []
        for cell in process.stdout.readline().split():
            code, colours, attributes = (int(part, 16) for part in cell.split(b":"))
            line.append((chr(code), colours & 15, colours >> 4, bool(attributes & 1)))
        lines.append(line)
    row, column, _ = map(int, process.stdout.readline().split())
    return lines, (row, column), bytes.fromhex(process.stdout.readline().strip().decode()).decode()


def looks(cell):
    """What a person sees: a blank's colour is its background's."""
    char, fg, bg, underlined = cell
    return (char, None if char == " " and not underlined else fg, bg, underlined)


def compare(process, pieces, columns, rows, utf8=True):
    """None, or where the two differ."""
    theirs, ours = shown_by_pyte(pieces, columns, rows, utf8), shown_by_us(process, "".join(pieces), columns, rows)
    for y in range(rows):
        for x in range(columns):
            if looks(theirs[0][y][x]) != looks(ours[0][y][x]):
                return f"row {y} column {x}: pyte shows {theirs[0][y][x]}, we show {ours[0][y][x]}"
    if theirs[1] != ours[1]:
        return f"cursor: pyte {theirs[1]}, we {ours[1]}"
    if theirs[2] != ours[2]:
        return f"replies: pyte {theirs[2]!r}, we {ours[2]!r}"
    return None


def shrink(process, pieces, columns, rows):
    """The shortest list of pieces found that still differs."""
    i = 1  # the first saves the cursor
    while i < len(pieces):
        fewer = pieces[:i] + pieces[i + 1:]
        if compare(process, fewer, columns, rows):
            pieces = fewer
        else:
            i += 1
    return pieces


def main():
    program, cases, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for case in range(cases):
            columns, rows = rng.choice([(80, 24), (10, 5), (7, 3), (20, 8)])
            pieces = ["\0337"] + [piece(rng, columns, rows) for _ in range(rng.randint(5, 60))]
            if compare(process, pieces, columns, rows):
                pieces = shrink(process, pieces, columns, rows)
                print(f"case {case} of seed {seed}, {columns}x{rows}: {pieces!r}\n{compare(process, pieces, columns, rows)}")
                process.kill()
                return 1
        process.stdin.close()
    print(f"terminal: {cases} random cases agree with pyte")
    return 0


if __name__ == "__main__":
    sys.exit(main())
