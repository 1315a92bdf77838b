# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Guests' time against the clock of the emulated machine."""
import re

import pexpect
import pytest

from conftest import ARCHES, TOP

# A counter that QEMU drives by its own clock, in memory: its address and rate. The host's HPET, which runs
# since the TSC was measured against it; the CLINT's mtime.
COUNTERS = {"x86_64": (0xfed000f0, 100_000_000), "riscv64": (0x200bff8, 10_000_000)}
# aarch64 has none: the real-time clock (PL031) counts seconds, the USB controller's MFINDEX (xHCI 1.2, 5.5.1) has
# 14 bits of 125 us each, 2048 ms in all.
RTC = 0x9010000
MFINDEX_MS = 2048


def words(machine, address, count):
    text = machine.host.monitor(execute="human-monitor-command", arguments={"command-line": f"xp /{count}xw {address:#x}"})
    return [int(word, 16) for word in re.findall(r"0x[0-9a-f]{8}\b", text.split(":", 1)[1])]


def usb_runtime(machine):
    """Where the USB controller's runtime registers lie: their offset stands at 18h."""
    devices = [device for bus in machine.host.monitor(execute="query-pci") for device in bus["devices"]]
    base = next(d["regions"][0]["address"] for d in devices if d["class_info"]["class"] == 0x0c03)
    return base + (words(machine, base + 0x18, 1)[0] & ~0x1f)


def rtc_ms(machine):
    """Milliseconds since the first call: the seconds, which tell them to less than 1000, made exact by MFINDEX."""
    if not hasattr(machine, "usb_runtime"):
        machine.usb_runtime = usb_runtime(machine)
    seconds, frames = words(machine, RTC, 1)[0], words(machine, machine.usb_runtime, 1)[0] & 0x3fff
    if not hasattr(machine, "began"):
        machine.began = (seconds, frames)
    fraction = (frames - machine.began[1]) / 8 % MFINDEX_MS
    return MFINDEX_MS * round(((seconds - machine.began[0]) * 1000 - fraction) / MFINDEX_MS) + fraction


def machine_ms(machine, arch):
    """The emulated machine's time; it stands still meanwhile."""
    machine.host.monitor(execute="stop")
    if arch in COUNTERS:
        address, hz = COUNTERS[arch]
        low, high = words(machine, address, 2)
        now = (high << 32 | low) * 1000 / hz
    else:
        now = rtc_ms(machine)
    machine.host.monitor(execute="cont")
    return now


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
@pytest.mark.parametrize("arch", ARCHES)
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
