# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The x86_64 guests' machine as Debian's kernel finds it: CPUs, clocks, PCI, ACPI, restarts."""
import re
import time

import pytest

from conftest import guest_config, guest_files

LISTEN = "for d in /sys/bus/pci/devices/*; do echo ${d##*/} $(cat $d/vendor $d/device); done"


def to_shell(machine):
    machine.expect("Ennead guest ready: Linux", timeout=240)
    machine.expect("guest# ")


@pytest.mark.parametrize("cpus", [2, 4])
def test_all_cpus_start_stop_and_survive_a_reboot(boot, cpus):
    machine = boot("x86_64", guest_config("x86_64", f"cpus = {cpus}\n"), guest_files("x86_64"), memory=1024, cpus=2)
    to_shell(machine)
    assert machine.guest("nproc") == str(cpus)
    assert machine.guest("grep -c 'core id' /proc/cpuinfo") == str(cpus)
    last = f"/sys/devices/system/cpu/cpu{cpus - 1}/online"
    # The echo of a long command is wrapped: only the last words are its output.
    assert machine.guest(f"echo 0 >{last}; nproc; echo 1 >{last}; nproc").split()[-2:] == [str(cpus - 1), str(cpus)]
    machine.child.send("reboot -f\r")
    to_shell(machine)
    assert machine.guest("nproc") == str(cpus)


def test_clocks_pci_and_acpi(boot):
    machine = boot("x86_64", guest_config("x86_64"), guest_files("x86_64"), memory=1024)
    to_shell(machine)
    assert abs(int(machine.guest("date +%s")) - time.time()) < 60
    assert abs(int(machine.guest("cat /sys/class/rtc/rtc0/since_epoch")) - time.time()) < 60
    sources = machine.guest("cat /sys/devices/system/clocksource/clocksource0/available_clocksource").split()
    assert {"tsc", "kvm-clock", "hpet", "acpi_pm"} <= set(sources)
    functions = machine.guest(LISTEN)
    assert "0000:00:00.0 0x8086 0x29c0" in functions
    assert "0000:00:1f.0 0x8086 0x2918" in functions
    assert machine.guest("dmesg | grep -E 'ACPI.*(Error|Warning|BIOS|FW_BUG)|Firmware Bug' | wc -l").split()[-1] == "0"


def test_a_portable_processor_is_the_same_everywhere(boot):
    machine = boot("x86_64", guest_config("x86_64", "cpu = portable\n"), guest_files("x86_64"), memory=1024)
    to_shell(machine)
    assert "Ennead portable" in machine.guest("grep -m1 'model name' /proc/cpuinfo")
    flags = set(machine.guest("grep -m1 flags /proc/cpuinfo").split())
    level_3 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
    assert set(level_3.split()) <= flags
    assert not {"sha_ni", "rdseed", "clwb", "pdpe1gb"} & flags
    assert not re.search("unchecked MSR", machine.guest("dmesg | grep MSR"))
