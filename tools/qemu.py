#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The emulated hosts: how QEMU is started, for 'make run', tests and benchmarks alike.

As a module: Host(arch="riscv64", image="...").command() is the command line, .start() a process with
the serial port on its standard streams, .screenshot() a picture of its display.
As a program: qemu.py run ARCH --image IMAGE [options], interactive; Ctrl-A X leaves.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import shlex
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
FIRMWARE = TOP / "build/deps/firmware"

# Per host: machine, CPU, memory in MiB, firmware code and variables, display.
HOSTS = {
    "x86_64": {
        "machine": "q35", "cpu": "max", "memory": 512, "display": "VGA",
        "code": "OVMF/OVMF_CODE_4M.fd", "vars": "OVMF/OVMF_VARS_4M.fd",
    },
    "aarch64": {
        "machine": "virt,virtualization=on,gic-version=3", "cpu": "max,pauth-impdef=on", "memory": 1024,
        "display": "ramfb",
        "code": "AAVMF/AAVMF_CODE.no-secboot.fd", "vars": "AAVMF/AAVMF_VARS.fd",
    },
    "riscv64": {
        "machine": "virt", "cpu": "rv64,h=true", "memory": 1024, "display": "ramfb",
        "code": "qemu-efi-riscv64/RISCV_VIRT_CODE.fd", "vars": "qemu-efi-riscv64/RISCV_VIRT_VARS.fd",
    },
}

# How the boot disk is attached; {id} names the drive.
STORAGE = {
    "usb": ["-device", "usb-storage,drive=boot,bootindex=0"],
    "virtio": ["-device", "virtio-blk-pci,drive=boot,bootindex=0"],
    "nvme": ["-device", "nvme,drive=boot,serial=ennead,bootindex=0"],
    "ahci": ["-device", "ich9-ahci,id=ahci", "-device", "ide-hd,bus=ahci.0,drive=boot,bootindex=0"],
}


@dataclasses.dataclass
class Host:
    """One emulated machine. Everything but the architecture has a default."""
    arch: str
    image: str = None           # boot disk, attached as `storage`; written to only with snapshot off
    kernel: str = None          # or a PE image, started without a disk
    storage: str = "usb"
    memory: int = None          # MiB
    cpus: int = 1
    cpu: str = None             # CPU model, with its properties
    machine: str = None         # the machine and all of its properties
    machine_options: str = ""   # further properties of the machine
    acpi: bool = True           # off: aarch64 and riscv64 describe themselves by a device tree only
    firmware: str = None        # another firmware code file
    variables: str = None
    display: bool = True
    keyboard: bool = False      # a USB keyboard
    icount: bool = False        # deterministic: one instruction is one nanosecond
    snapshot: bool = True
    debug_serial: str = None    # a second serial port: any character device of QEMU
    qmp: str = None             # path of the monitor's socket; made by start() when needed
    extra: tuple = ()           # further arguments of QEMU
    log: str = None             # file that receives the full command

    def command(self):
        host = HOSTS[self.arch]
        machine = self.machine or host["machine"]
        if self.machine_options:
            machine += "," + self.machine_options
        if not self.acpi:
            machine += ",acpi=off"
        cpu = self.cpu or host["cpu"]
        if self.icount and self.arch == "x86_64":
            cpu += ",-x2apic"  # QEMU 10.0 ends with "Bad icount read" at a timer register of the x2APIC
        command = [
            f"qemu-system-{self.arch}", "-M", machine, "-cpu", cpu,
            "-m", str(self.memory or host["memory"]), "-smp", str(self.cpus),
            "-nodefaults", "-display", "none", "-no-reboot",
            # What waits for a key, waits for 5 s on some firmware.
            "-boot", "menu=on,splash-time=0",
            "-drive", "if=pflash,format=raw,unit=0,readonly=on,file="
            + str(self.firmware or FIRMWARE / host["code"]),
            "-drive", "if=pflash,format=raw,unit=1,snapshot=on,file="
            + str(self.variables or FIRMWARE / host["vars"]),
        ]
        if self.display:
            command += ["-device", host["display"]]
        if self.keyboard or (self.image and self.storage == "usb"):
            command += ["-device", "qemu-xhci"]
        if self.keyboard:
            command += ["-device", "usb-kbd"]
        if self.image:
            snapshot = "on" if self.snapshot else "off"
            command += ["-drive", f"if=none,id=boot,format=raw,snapshot={snapshot},file={self.image}"]
            command += STORAGE[self.storage]
        if self.kernel:
            command += ["-kernel", str(self.kernel)]
        if self.icount:
            command += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]
        if self.qmp:
            command += ["-qmp", f"unix:{self.qmp},server=on,wait=off"]
        command += self.extra
        if self.log:
            os.makedirs(os.path.dirname(os.path.abspath(self.log)), exist_ok=True)
            with open(self.log, "w", encoding="utf-8") as file:
                file.write(shlex.join(command + ["-serial", "stdio"]) + "\n")
        return command

    def serials(self):
        """The serial ports, the console on the standard streams."""
        return ["-serial", "stdio"] + (["-serial", self.debug_serial] if self.debug_serial else [])

    def start(self, **popen):
        """Start it with the serial port on the process's standard streams and a QMP socket."""
        if not self.qmp:
            self.qmp = os.path.join(tempfile.mkdtemp(prefix="ennead-qmp-"), "qmp")
        popen.setdefault("stdin", subprocess.PIPE)
        popen.setdefault("stdout", subprocess.PIPE)
        return subprocess.Popen(self.command() + self.serials(), **popen)

    def monitor(self, **request):
        """Send one QMP command and return its answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(30)
            deadline = time.monotonic() + 10
            while True:
                try:
                    link.connect(self.qmp)
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            stream = link.makefile("rw", encoding="utf-8")
            stream.readline()
            answer = None
            for message in ({"execute": "qmp_capabilities"}, request):
                stream.write(json.dumps(message) + "\n")
                stream.flush()
                answer = {}
                while not ("return" in answer or "error" in answer):
                    answer = json.loads(stream.readline())
        if "error" in answer:
            raise RuntimeError(f"{request}: {answer['error']['desc']}")
        return answer["return"]

    def screenshot(self, path):
        """Write a picture of the display: PNG or PPM, as the file is called."""
        self.monitor(execute="screendump", arguments={"filename": os.path.abspath(path),
                                                      "format": pathlib.Path(path).suffix[1:]})


def options():
    parser = argparse.ArgumentParser(description="start an emulated host")
    parser.add_argument("action", choices=["run", "print"])
    parser.add_argument("arch", choices=sorted(HOSTS))
    parser.add_argument("--image")
    parser.add_argument("--kernel")
    parser.add_argument("--storage", choices=sorted(STORAGE), default="usb")
    parser.add_argument("--memory", type=int, help="MiB")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--cpu")
    parser.add_argument("--machine")
    parser.add_argument("--machine-options", default="")
    parser.add_argument("--no-acpi", dest="acpi", action="store_false")
    parser.add_argument("--firmware")
    parser.add_argument("--no-display", dest="display", action="store_false")
    parser.add_argument("--keyboard", action="store_true")
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--log")
    parser.add_argument("--timeout", type=float, help="seconds; then QEMU is ended and this fails")
    parser.add_argument("extra", nargs="*", help="further arguments of QEMU, after --")
    return vars(parser.parse_args())


def main():
    chosen = options()
    action, timeout = chosen.pop("action"), chosen.pop("timeout")
    host = Host(**chosen)
    # On a terminal Ctrl-A X leaves and Ctrl-C reaches the guest.
    serial = ["-serial", "mon:stdio" if sys.stdin.isatty() else "stdio"]
    command = host.command() + serial
    if action == "print":
        print(shlex.join(command))
        return 0
    try:
        return subprocess.run(command, timeout=timeout, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"\nqemu.py: ended after {timeout:.0f} s", file=sys.stderr)
        return 124


if __name__ == "__main__":
    sys.exit(main())
