#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Compare the screen's terminal with pyte on what full-screen programs send: newt and dialog as installers use them, vi, top.

programs.py PROGRAM: PROGRAM is build/hosted/differential/terminal. Each program runs on a pseudo-terminal of 80x24; after each
key, when what is awaited is there, both screens are compared.
"""
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import time

import fcntl
import pyte
import termios

from compare import compare

COLUMNS, ROWS = 80, 24
LIMIT = 30     # seconds, against hanging
SILENCE = 0.3  # a program that says nothing for so long has drawn its screen

DOWN, NEXT, TAB, ESCAPE = "\033[B", "\016", "\t", "\033"
ITEMS = ["1", "Guided - use entire disk", "2", "Guided - set up LVM", "3", "Manual"]
CHECKS = ["ssh", "SSH server", "on", "web", "Web server", "off", "laptop", "Laptop", "off"]
TERMS = ["vt100", "vt220", "linux"]
# Each: the command, then keys and the text that is there afterwards, and the terminals that are not tried because pyte does not
# blank what no cell was written to in the colour of the background. pyte does not erase the last column while a wrap is
# pending: top stays away from it.
PROGRAMS = [
    (["whiptail", "--title", "Partition disks", "--backtitle", "Debian installer", "--menu", "Method:", "15", "60", "4"] + ITEMS,
     [("", "use entire disk"), (DOWN, "LVM"), (DOWN, "Manual"), (TAB, "<Ok>"), (TAB, "<Cancel>")]),
    (["whiptail", "--title", "Software selection", "--checklist", "Choose:", "16", "50", "5"] + CHECKS,
     [("", "[*] ssh"), (DOWN, "Web"), (" ", "[*] web")]),
    (["whiptail", "--passwordbox", "Root password:", "10", "50"], [("", "Root password"), ("se", "**"), ("\x7f", "*")]),
    (["dialog", "--backtitle", "Configuration", "--menu", "Method:", "15", "60", "4"] + ITEMS,
     [("", "use entire disk"), (NEXT, "LVM"), (TAB, "Cancel")], "linux"),
    (["dialog", "--form", "Network:", "12", "50", "3", "Address:", "1", "1", "10.9.0.1", "1", "12", "20", "0", "Mask:", "2", "1", "", "2",
      "12", "20", "0"], [("", "10.9.0.1"), ("/24", "/24"), (NEXT, "Mask"), ("255", "255")], "linux"),
    (["vi", "-u", "NONE", "-i", "NONE", "-n", "-N", "--cmd", "set t_u7= t_RV= t_RB= t_RF="],
     [("", "~"), ("ihello\rworld", "world"), (ESCAPE, "world"), ("yyP", "hello"), (":set nu\r", "2 "), ("ggdd", "1 "), ("Oabove", "above"),
      (ESCAPE, "above"), (":q!", ":q!")]),
    (["top", "-d", "1", "-w", "79"], [("", "PID"), (" ", "PID"), ("h", "Help")]),
]


def start(command, term):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM=term, LC_ALL="C", NEWT_COLORS="")
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    os.kill(pid, signal.SIGWINCH)
    return pid, terminal


def read_until(terminal, output, awaited):
    """Adds what comes to `output`, until the text is on pyte's screen and nothing more comes."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], SILENCE)
        if ready:
            output.append(os.read(terminal, 65536))
            continue
        screen = pyte.Screen(COLUMNS, ROWS)
        pyte.ByteStream(screen).feed(b"".join(output))
        if any(awaited in line for line in screen.display):
            return
    raise TimeoutError(awaited)


def run(process, command, term, keys):
    """None, or what differs."""
    pid, terminal = start(command, term)
    output = []
    try:
        for typed, awaited in keys:
            os.write(terminal, typed.encode())
            read_until(terminal, output, awaited)
            text = b"".join(output).decode("utf-8", "replace")
            if differs := compare(process, [text], COLUMNS, ROWS, utf8=False):
                return f"{command[0]} with TERM={term} after {typed!r}: {differs}\n{text[-400:]!r}"
    except (OSError, TimeoutError) as error:
        return f"{command[0]} with TERM={term} after {typed!r}: {error}\n{b''.join(output)[-400:]!r}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)
    return None


def main():
    screens, bad = 0, 0
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for command, keys, *without in PROGRAMS:
            for term in set(TERMS) - set(without):
                differs = run(process, command, term, keys)
                screens += len(keys)
                if differs:
                    print(differs)
                    bad += 1
        process.stdin.close()
    if not bad:
        print(f"terminal: {screens} screens of {len(PROGRAMS)} programs agree with pyte")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
