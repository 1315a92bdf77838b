# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Benchmarks of the debugger's view: a class that bench.py's inherits."""
import re
import socket
import subprocess

from conftest import ENGINE, TOP

STEPS = 300


class DebugItems:
    def gdb_steps_per_s(self, arch):
        """`stepi` of gdb over the second serial port, a second of real time: a guest on the hardware; on x86_64 a translated one too."""
        guests = [(arch, ENGINE[arch])] + ([("riscv64", "interp")] if arch == "x86_64" else [])
        for isa, engine in guests:
            yield f"gdb_steps_per_s.{engine}", self.steps(arch, isa)

    def steps(self, arch, isa):
        config = f"[host]\nconfig = 1\n\n[vm g]\narch = {isa}\nmemory = 64M\nkernel = k\ncmdline = spin\ngdb = yes\n"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with self.machine(f"gdb-{arch}-{isa}", arch, config, [("k", TOP / f"build/{isa}/guests/micro")], memory=512,
                          acpi=arch == "x86_64", debug_serial=f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on") as machine:
            machine.prompt()
            while "running" not in machine.run("vm list"):
                pass
            commands = [f"target remote 127.0.0.1:{port}", "python import time; began = time.monotonic()", f"stepi {STEPS}",
                        f"python print('steps', {STEPS} / (time.monotonic() - began))", "detach"]
            arguments = [word for command in commands for word in ("-ex", command)]
            said = subprocess.run(["gdb-multiarch", "-nx", "-batch", "-ex", "set confirm off"] + arguments, check=True,
                                  capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL).stdout
        return round(float(re.search(r"^steps ([\d.]+)", said, re.M)[1]))
