# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian riscv64 guests with interrupt files of the hardware."""
import hashlib
import re

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
