# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Guests' time against the clock of the emulated machine."""
import re

import pexpect
import pytest

from conftest import TOP

# A counter that QEMU drives by its own clock, in memory: its address and rate. The host's HPET, which runs
# since the TSC was measured against it; the CLINT's mtime.
COUNTERS = {"x86_64": (0xfed000f0, 100_000_000), "riscv64": (0x200bff8, 10_000_000)}


def machine_ms(machine, arch):
    """The emulated machine's time; it stands still meanwhile."""
    address, hz = COUNTERS[arch]
    machine.host.monitor(execute="stop")
    words = machine.host.monitor(execute="human-monitor-command", arguments={"command-line": f"xp /2xw {address:#x}"})
    machine.host.monitor(execute="cont")
    low, high = (int(word, 16) for word in re.findall(r"0x[0-9a-f]{8}\b", words.split(":", 1)[1]))
    return (high << 32 | low) * 1000 / hz


def both_ms(machine, arch):
    """The time that the guest prints, and the machine's at that moment."""
    machine.child.send("vm console clock\r")
    try:
        while True:  # what it printed before
            machine.child.expect(r"clock \d+ ms\r", timeout=0.3)
    except pexpect.TIMEOUT:
        pass
    guest = int(machine.expect(r"clock (\d+) ms\r").group(1))
    now = machine_ms(machine, arch)
    machine.child.send("\x1d")
    machine.prompt()
    return guest, now


def pass_minutes(machine, arch, minutes):
    """With nothing to compute the emulated machine's time jumps from timer to timer."""
    end = machine_ms(machine, arch) + minutes * 60_000
    machine.run("vm pause spin")
    while machine_ms(machine, arch) < end:
        pass
    machine.run("vm resume spin")


@pytest.mark.parametrize("mode", ["catch-up", "continue"])
@pytest.mark.parametrize("arch", sorted(COUNTERS))
def test_time_is_right_after_ten_minutes_and_a_pause(boot, arch, mode):
    """While one guest computes, the machine's time is slow against ours: both clocks are read within a few ms."""
    config = ("[host]\nconfig = 1\n\n[vm clock]\nmemory = 64M\nkernel = micro\ncmdline = clock period=1000\n"
              f"time = {mode}\nautostart = no\n\n"
              "[vm spin]\nmemory = 64M\nkernel = micro\ncmdline = spin\nautostart = no\n")
    machine = boot(arch, config, [("micro", TOP / f"build/{arch}/guests/micro")], memory=1024, icount=True)
    machine.prompt()
    machine.run("vm start clock")
    machine.run("vm start spin")
    first = both_ms(machine, arch)
    pass_minutes(machine, arch, 10)
    machine.run("vm pause clock")
    paused = machine_ms(machine, arch)
    pass_minutes(machine, arch, 1)
    resumed = machine_ms(machine, arch)
    machine.run("vm resume clock")
    last = both_ms(machine, arch)
    passed, guest_passed = last[1] - first[1], last[0] - first[0]
    assert passed > 11 * 60_000
    if mode == "continue":
        passed -= resumed - paused
    assert abs(guest_passed - passed) < 50 + passed * 50e-6
