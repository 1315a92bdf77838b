#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Bochs, the emulated PC with VT-x (or with more of SVM than QEMU has), for 'make run', tests and benchmarks.

As a module: Pc(image="...", folder="...").command() is the command line; the machine's serial port is this process's end
of the pseudo-terminal `serial`.
As a program: bochs.py run --image IMAGE [options], interactive; Ctrl-A X leaves.
"""
import argparse
import os
import pathlib
import pty
import select
import subprocess
import sys
import tempfile
import termios
import tty

TOP = pathlib.Path(__file__).resolve().parent.parent
FIRMWARE = TOP / "build/deps/firmware/bochs/OVMF.fd"
BUILT = TOP / "build/deps/bochs/bochs"  # version 3, which the set-up script builds; else Debian's own
CYLINDER = 16 * 63 * 512                # flat disks are whole cylinders
RESIDENT_MOST = 2048                    # MiB that Bochs holds in memory, of what is in use
LEAVE = b"\x01x"

SETTINGS = """\
memory: guest={memory}, host={resident}
cpu: model={model}, count=1, ips={ips}, reset_on_triple_fault=0
romimage: file={firmware}, address=0xffe00000
vgaromimage: file=/usr/share/vgabios/vgabios.bin
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path={disk}, cylinders={cylinders}, heads=16, spt=63
boot: disk
clock: sync=none, time0=1767225600
{display}
com1: enabled=1, mode=term, dev={serial}
log: {log}
panic: action=fatal
error: action={errors}
info: action=ignore
debug: action=ignore{debug}
"""
DISPLAY_3 = "display_library: nogui"
DISPLAY_2 = 'display_library: rfb, options="timeout=0"\nsound: driver=dummy'


def is_built():
    return BUILT.exists()


class Pc:
    """One emulated PC, from start() to stop()."""

    def __init__(self, image, folder, model="corei7_skylake_x", memory=256, ips=100_000_000, log=None,
                 errors="ignore", debug=None):
        """`debug`: the device whose every access the log shows, with the count of instructions."""
        self.folder = pathlib.Path(folder)
        self.disk = self.folder / "disk.img"
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", image, self.disk], check=True)
        cylinders = -(-self.disk.stat().st_size // CYLINDER)
        os.truncate(self.disk, cylinders * CYLINDER)
        self.serial, self.theirs = pty.openpty()
        tty.setraw(self.theirs)
        (self.folder / "bochsrc").write_text(SETTINGS.format(
            model=model, memory=memory, resident=min(memory, RESIDENT_MOST), ips=ips, firmware=FIRMWARE, disk=self.disk, cylinders=cylinders,
            display=DISPLAY_3 if is_built() else DISPLAY_2, serial=os.ttyname(self.theirs),
            log=log or self.folder / "bochs.log", errors=errors,
            debug=f", {debug}=report" if debug else ""), encoding="utf-8")
        self.process = None

    def command(self):
        command = [BUILT if is_built() else "bochs", "-q", "-f", self.folder / "bochsrc"]
        if not is_built():  # its debugger's first command: continue
            (self.folder / "go").write_text("c\n", encoding="utf-8")
            command += ["-rc", self.folder / "go"]
        return command

    def start(self):
        self.process = subprocess.Popen(self.command(), cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        os.close(self.theirs)
        self.disk.unlink(missing_ok=True)


def connect(machine):
    """This terminal to the machine's serial port, until Bochs ends or Ctrl-A X."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal) if os.isatty(terminal) else None
    if before:
        tty.setraw(terminal)
    typed, sources = b"", [machine.serial, terminal]
    try:
        while machine.process.poll() is None:
            ready = select.select(sources, [], [], 0.5)[0]
            if machine.serial in ready:
                os.write(sys.stdout.fileno(), os.read(machine.serial, 4096))
            if terminal in ready:
                data = os.read(terminal, 256)
                if not data:  # no one types: only show
                    sources.remove(terminal)
                typed = (typed + data)[-2:]
                if typed == LEAVE:
                    break
                os.write(machine.serial, data)
    finally:
        if before:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="interactively, on this terminal")
    run.add_argument("--image", required=True)
    run.add_argument("--model", default="corei7_skylake_x", help="a CPU model of Bochs; ryzen has SVM")
    run.add_argument("--memory", type=int, default=2048, help="MiB")
    run.add_argument("--log", help="Bochs' own log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ennead-bochs-") as folder:
        machine = Pc(options.image, folder, options.model, options.memory, log=options.log)
        machine.start()
        try:
            connect(machine)
        finally:
            machine.stop()


if __name__ == "__main__":
    main()
