# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian riscv64 guests on hosts that differ: interrupt files of the hardware or none, timers, IPIs."""
import hashlib
import re

import pytest

from conftest import guest_config, guest_files

AIA = "virt,aia=aplic-imsic"
SUM = hashlib.md5("".join(f"{i}\n" for i in range(1, 20001)).encode()).hexdigest()


def debian(boot, vcpus, extra="", **host):
    """The machine, at the shell of a guest with `vcpus` vCPUs, and what the host said before."""
    machine = boot("riscv64", guest_config("riscv64", f"cpus = {vcpus}\n{extra}"), guest_files("riscv64"),
                   memory=1024, timeout=300, **host)
    machine.expect("Console of riscv64")
    report = machine.child.before
    machine.expect("guest# ")
    return machine, report


def works(machine, vcpus):
    """All vCPUs are there and calculate at the same time."""
    assert machine.guest("nproc") == str(vcpus)
    assert machine.guest("for i in 1 2 3 4; do (seq 20000 >/tmp/$i; md5sum /tmp/$i) & done; wait").count(SUM) == 4


def monitor(machine, command):
    machine.child.send("\x1d")
    machine.prompt()
    return machine.run(command)


def interrupts(machine):
    """How many interrupts the hypervisor itself injected into each vCPU."""
    return [int(n) for n in re.findall(r"interrupts injected: (\d+)", monitor(machine, "vm stats riscv64"))]


def test_a_file_for_each_vcpu_takes_all_its_interrupts(boot):
    machine, report = debian(boot, 2, "interrupts = aia\n", machine=AIA + ",aia-guests=4", cpus=2)
    assert "4 guest interrupt files" in report and "IPIs by IMSIC" in report
    works(machine, 2)
    found = machine.guest("cat /proc/interrupts")
    assert re.search(r"APLIC-MSI.*ttyS0", found)
    assert all(int(n) > 0 for n in re.search(r"IPI1: +(\d+) +(\d+)", found).groups())
    assert interrupts(machine) == [0, 0]


def test_more_vcpus_than_files_share_them(boot):
    machine, report = debian(boot, 4, "interrupts = aia\n", machine=AIA + ",aia-guests=1", cpus=2)
    assert "1 guest interrupt files" in report
    works(machine, 4)
    assert machine.guest("sleep 1; echo awake") == "awake"
    assert sum(interrupts(machine)) > 0  # those without one


def test_harts_come_and_go_and_the_guest_restarts(boot):
    """On a host whose ACLINT carries IPIs."""
    machine, report = debian(boot, 4, machine="virt,aclint=on", acpi=False, cpus=2)
    assert "IPIs by ACLINT SSWI" in report
    works(machine, 4)
    for hart in (3, 1):
        machine.guest(f"echo 0 > /sys/devices/system/cpu/cpu{hart}/online")
    assert machine.guest("cat /sys/devices/system/cpu/online") == "0,2"
    works(machine, 2)
    for hart in (1, 3):
        machine.guest(f"echo 1 > /sys/devices/system/cpu/cpu{hart}/online")
    works(machine, 4)
    machine.child.send("reboot -f\r")
    machine.expect("guest# ")
    works(machine, 4)
    machine.child.send("poweroff -f\r")
    machine.expect("Power down")
    while "stopped" not in monitor(machine, "vm list"):
        pass


@pytest.mark.parametrize("cpus", [1, 2])
def test_timers_without_sstc(boot, cpus):
    """Host and guest set their timers by calls to the firmware, the guest's being the hypervisor."""
    machine, report = debian(boot, 2, cpu="rv64,h=true,sstc=off", cpus=cpus)
    assert "no Sstc: each timer of the host and of guests" in report
    works(machine, 2)
    before, after = (float(t) for t in machine.guest("cut -d' ' -f1 /proc/uptime; sleep 2; "
                                                     "cut -d' ' -f1 /proc/uptime").split())
    assert 2 <= after - before < 60
