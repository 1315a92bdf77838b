# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian's kernel on aarch64 hosts of other kinds, and what only its machine has: PSCI, packed kernels."""
import gzip
import re
import struct

import pytest

from conftest import TOP, guest_config, guest_files

GICV2 = "virt,virtualization=on,gic-version=2"


def packed(kernel, form):
    """`kernel` as distributions ship it: plain, gzip, or inside the header of an EFI zboot image around gzip."""
    if form == "plain":
        return kernel
    payload = gzip.compress(kernel, 1)
    if form == "gzip":
        return payload
    offset = 0x1000
    header = struct.pack("<4s4sIIII", b"MZ\0\0", b"zimg", offset, len(payload), 0, 0) + b"gzip\0"
    return header.ljust(offset, b"\0") + payload


def to_shell(machine):
    machine.expect("Ennead guest ready: Linux", timeout=240)
    machine.expect("guest# ")


@pytest.mark.parametrize("cpus,form", [(1, "gzip"), (2, "zboot"), (4, "plain")])
def test_all_cpus_start_stop_and_survive_a_reboot(boot, tmp_path, cpus, form):
    """CPUs go and come back by PSCI's CPU_OFF and CPU_ON; then the guest starts anew from within, and powers off."""
    kernel = tmp_path / "kernel"
    kernel.write_bytes(packed((TOP / "build/guest/aarch64/kernel").read_bytes(), form))
    files = [("ennead/aarch64/kernel", kernel), ("ennead/aarch64/initrd", TOP / "build/guest/aarch64/initrd")]
    machine = boot("aarch64", guest_config("aarch64", f"cpus = {cpus}\n"), files, memory=1024, cpus=2)
    to_shell(machine)
    assert machine.guest("nproc") == str(cpus)
    for last in range(cpus - 1, 0, -1):
        online = f"/sys/devices/system/cpu/cpu{last}/online"
        # The echo of a long command is wrapped: only the last words are its output.
        assert machine.guest(f"echo 0 >{online}; nproc").split()[-1] == str(last)
    for last in range(1, cpus):
        online = f"/sys/devices/system/cpu/cpu{last}/online"
        assert machine.guest(f"echo 1 >{online}; nproc").split()[-1] == str(last + 1)
    if cpus > 1:  # the last one takes interrupts and runs programs again
        assert machine.guest(f"taskset {1 << cpus - 1:x} echo back") == "back"
    machine.child.send("reboot -f\r")
    to_shell(machine)
    assert machine.guest("nproc") == str(cpus)
    machine.child.send("poweroff -f\r")
    machine.expect("Power down")
    machine.child.send("\x1d")
    machine.prompt()
    while "stopping" in (vms := machine.run("vm list")):
        pass  # its memory is being scrubbed
    assert "stopped" in vms


def interrupts(machine, name):
    """Counts per CPU of the lines of /proc/interrupts that match."""
    text = machine.guest("cat /proc/interrupts")
    return [[int(n) for n in line.split(":")[1].split() if n.isdigit()] for line in text.splitlines()
            if re.search(name, line)]


@pytest.mark.parametrize("cpus,host,virtio", [
    (1, {"acpi": True}, "pci"), (2, {"acpi": True}, "pci"), (2, {"acpi": False}, "mmio"), (1, {"cpu": "cortex-a72"}, "pci"),
], ids=["1-acpi", "2-acpi", "2-fdt-mmio", "1-cortex-a72"])
def test_debian_on_a_gicv2_host(boot, cpus, host, virtio):
    """The guest has a GICv2 too: its timer, software interrupts between its vCPUs, pins and messages all arrive."""
    config = guest_config("aarch64", f"cpus = 2\ndisk = d\nvirtio = {virtio}\n") + "\n[disk d]\nsize = 16M\n"
    machine = boot("aarch64", config, guest_files("aarch64"), memory=1024, cpus=cpus, machine=GICV2, **host)
    to_shell(machine)
    assert machine.guest("grep -c ^processor /proc/cpuinfo") == "2"
    assert all(count > 0 for timer in interrupts(machine, "arch_timer") for count in timer)
    assert " GIC-0 " in machine.guest("grep arch_timer /proc/interrupts")
    assert sum(interrupts(machine, "Function call")[0]) + sum(interrupts(machine, "Rescheduling")[0]) > 0
    assert interrupts(machine, "uart-pl011")[0][0] > 0
    assert "slept" in machine.guest("taskset 1 sleep 0.2 & taskset 2 sleep 0.2 & wait; echo slept")
    assert machine.guest("cat /dev/vda | wc -c") == str(16 << 20)
    if virtio == "pci":
        assert sum(sum(line) for line in interrupts(machine, "virtio.*-req")) > 0
        assert "MSI" in machine.guest("grep virtio.*-req /proc/interrupts")
    else:
        assert "virtio_mmio" in machine.guest("readlink -f /sys/block/vda/device")
        assert sum(sum(line) for line in interrupts(machine, r"virtio\d")) > 0
    machine.child.send("poweroff -f\r")
    machine.expect("Power down")
