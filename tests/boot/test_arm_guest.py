# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian's kernel on aarch64 hosts of other kinds, and what only its machine has: PSCI, power button, packed kernels."""
import re

import pytest

from conftest import guest_config, guest_files

GICV2 = "virt,virtualization=on,gic-version=2"


def interrupts(machine, name):
    """Counts per CPU of the lines of /proc/interrupts that match."""
    text = machine.guest("cat /proc/interrupts")
    return [[int(n) for n in line.split(":")[1].split() if n.isdigit()] for line in text.splitlines()
            if re.search(name, line)]


@pytest.mark.parametrize("acpi", [True, False], ids=["acpi", "fdt"])
@pytest.mark.parametrize("cpus", [1, 2])
def test_debian_on_a_gicv2_host(boot, cpus, acpi):
    """The guest has a GICv2 too: its timer, software interrupts between its vCPUs, pins and messages all arrive."""
    config = guest_config("aarch64", "cpus = 2\ndisk = d\n") + "\n[disk d]\nsize = 16M\n"
    machine = boot("aarch64", config, guest_files("aarch64"), memory=1024, cpus=cpus, machine=GICV2, acpi=acpi)
    machine.expect("Ennead guest ready: Linux", timeout=240)
    machine.expect("guest# ")
    assert machine.guest("grep -c ^processor /proc/cpuinfo") == "2"
    assert all(count > 0 for timer in interrupts(machine, "arch_timer") for count in timer)
    assert " GIC-0 " in machine.guest("grep arch_timer /proc/interrupts")
    assert sum(interrupts(machine, "Function call")[0]) + sum(interrupts(machine, "Rescheduling")[0]) > 0
    assert interrupts(machine, "uart-pl011")[0][0] > 0
    assert "slept" in machine.guest("taskset 1 sleep 0.2 & taskset 2 sleep 0.2 & wait; echo slept")
    assert machine.guest("cat /dev/vda | wc -c") == str(16 << 20)
    assert sum(sum(line) for line in interrupts(machine, "virtio.*-req")) > 0
    assert "MSI" in machine.guest("grep virtio.*-req /proc/interrupts")
    machine.child.send("poweroff -f\r")
    machine.expect("Power down")
