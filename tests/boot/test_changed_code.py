# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Code that was translated, and is then changed by others than the guest: a device, a debugger (tests/guests/changed_code.c)."""
import re
import subprocess

import pytest

from conftest import TOP, Process
from test_gdb import free_port, gdb, serve
from test_micro import ended, guest, micro, verdict

PROGRAM = TOP / "build/hosted/ennead"
DISK_BYTES = 1 << 16
# An instruction that loads a number into the register of results, by the manuals of each.
LOADS = {"riscv64": lambda n: 0x00000513 | n << 20, "aarch64": lambda n: 0x52800000 | n << 5}


@pytest.mark.parametrize("options", [["--engine", "interp"], ["--engine", "jit"], ["--engine", "hybrid"], ["--engine", "jit", "--mmu", "page-table"]],
                         ids=["interp", "jit", "hybrid", "page-table"])
@pytest.mark.parametrize("arch", LOADS)
def test_code_that_a_device_writes_is_what_runs(tmp_path, arch, options):
    (tmp_path / "disk").write_bytes(bytes(DISK_BYTES))
    command = [PROGRAM, "run", "--arch", arch, "--cpus", "2", "--memory", "64M", "--kernel", micro(arch), "--append", "devicecode",
               "--disk", tmp_path / "disk", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=300)
    assert len(verdict(done.stdout)) >= 10


def test_code_that_a_device_writes_is_what_runs_in_the_hypervisor(boot, tmp_path):
    """Beside each other a guest on the hardware and two translated ones, each with a disk of its own."""
    (tmp_path / "disk").write_bytes(bytes(DISK_BYTES))
    names = {"x86_64": "engine = hardware", "riscv64": "engine = jit", "aarch64": "engine = hybrid"}
    config = "[host]\nconfig = 1\n\n" + "".join(
        f"[disk {arch}]\nfile = disk\nmode = copy-on-write\n\n"
        + guest(arch, "devicecode", 2, extra=f"arch = {arch}\n{engine}\ndisk = {arch}\n").replace("kernel = micro", f"kernel = {arch}")
        for arch, engine in names.items())
    machine = boot("x86_64", config, [(arch, micro(arch)) for arch in names] + [("disk", tmp_path / "disk")], memory=1024)
    machine.prompt()
    for arch in names:
        machine.child.send(f"vm console {arch}\r")
        assert len(verdict(ended(machine, 300))) >= 10
        machine.child.send("\x1d")
        machine.prompt()


def change_by_gdb(arch, expect, debug):
    """New code while the function runs, at a breakpoint, under one. `debug` runs gdb's commands."""
    at = int(expect(r"given at (0x[0-9a-f]+)\r")[1], 16)

    def put(number):
        return f"set *(unsigned int *){at:#x} = {LOADS[arch](number):#x}"

    expect(r"value 1\r")
    for number in range(2, 6):
        said = debug(put(number), f"p/x *(unsigned int *){at:#x}", "detach")
        assert f"= {LOADS[arch](number):#x}\n" in said, said
        expect(rf"value {number}\r")
    said = debug(f"break *{at:#x}", "continue", f"p $pc == {at:#x}", put(6), f"p/x *(unsigned int *){at:#x}", "continue", f"p $pc == {at:#x}",
                 "delete", "detach")
    assert re.findall(r"^\$\d+ = (\w+)$", said, re.M) == ["1", f"{LOADS[arch](6):#x}", "1"], said
    expect(r"value 6\r")
    debug(f"break *{at + 4:#x}", "continue", put(7), "delete", "stepi", put(8), "detach")
    expect(r"value 8\r")


@pytest.mark.parametrize("engine", ["interp", "jit", "hybrid"])
@pytest.mark.parametrize("arch", LOADS)
def test_code_that_gdb_writes_is_what_runs(tmp_path, arch, engine):
    port = free_port()
    options = ["--memory", "64M", "--engine", engine, "--append", "given", "--gdb", str(port)]
    with Process(tmp_path / "console.log", *options, arch=arch, kernel=micro(arch)) as process:
        change_by_gdb(arch, process.expect, lambda *commands: gdb(port, *commands))


def test_code_that_gdb_writes_is_what_runs_in_the_hypervisor(boot):
    config = "[host]\nconfig = 1\n\n" + guest("g", "given", extra="arch = riscv64\nengine = jit\n")
    machine = boot("x86_64", config, [("micro", micro("riscv64"))], memory=1024)
    machine.prompt()
    machine.child.send("vm console g\r")

    def debug(*commands):
        machine.child.send("\x1d")
        machine.prompt()
        said = serve(machine, "g", *commands)
        machine.child.send("vm console g\r")
        return said

    change_by_gdb("riscv64", machine.expect, debug)
