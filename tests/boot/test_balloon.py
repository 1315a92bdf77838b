# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The memory balloon with Debian's driver: memory leaves a guest for the host, and comes back."""
import re

import pytest

from conftest import ARCHES, CONSOLE, guest_files


def config(arch, extra=""):
    return (f"[host]\nconfig = 1\nconsole = {arch}\n\n[vm {arch}]\nmemory = 512M\nkernel = ennead/{arch}/kernel\n"
            f"initrd = ennead/{arch}/initrd\ncmdline = console={CONSOLE[arch]}\n{extra}")


def free_kib(machine):
    return int(re.search(r"KiB in all, (\d+) KiB free", machine.run("mem"))[1])


def resident_kib(machine, arch):
    return int(re.search(r"memory in use: (\d+) KiB", machine.run(f"vm stats {arch}"))[1])


def guest_free_kib(machine):
    return int(machine.guest("awk '/^MemFree/ { print $2 }' /proc/meminfo").split()[-1])


def touch(machine, arch, word):
    """Has the guest fill 300 MiB of its memory and give them up; the console is left for the monitor then."""
    machine.guest("mkdir -p /fill; mount -t tmpfs -o size=400m none /fill; "
                  "dd if=/dev/zero of=/fill/x bs=1M count=300 2>/dev/null; umount /fill", timeout=120)
    assert machine.guest(f"echo {word}$((1+1))").endswith(f"{word}2")
    leave(machine)


def leave(machine):
    machine.child.send("\x1d")
    machine.prompt()


def enter(machine, arch, word):
    """The console shows what it showed before: go on behind a word that is new."""
    machine.child.send(f"vm console {arch}\r")
    machine.expect("returns to the monitor")
    machine.child.send(f"echo {word}$((2+2))\r")
    machine.expect(f"{word}4\r")
    machine.expect("guest# ")


def start(boot, arch, extra=""):
    machine = boot(arch, config(arch, extra), guest_files(arch), memory=1024)
    machine.expect("Ennead guest ready: Linux", timeout=240)
    machine.expect("guest# ")
    return machine


def wait_for_balloon(machine, arch, kib):
    while f"memory balloon: {kib} KiB in it" not in machine.run(f"vm balloon {arch}"):
        pass


@pytest.mark.parametrize("arch", ARCHES)
def test_memory_goes_to_the_host_and_comes_back(boot, arch):
    machine = start(boot, arch)
    whole = guest_free_kib(machine)
    touch(machine, arch, "filled")
    before, resident = free_kib(machine), resident_kib(machine, arch)
    assert resident > 300 << 10
    assert "at most" in machine.run(f"vm balloon {arch} 513M")
    assert "is no size" in machine.run(f"vm balloon {arch} much")
    assert "go on with 192 MiB" in machine.run(f"vm balloon {arch} 192M")
    wait_for_balloon(machine, arch, 320 << 10)
    gained, left = free_kib(machine) - before, resident_kib(machine, arch)
    # All but what the guest had never touched, and what lies beside its rings.
    assert resident - left > 200 << 10 and left < 220 << 10
    assert gained > 0.9 * (resident - left)
    assert re.search(r"available +\d+ KiB", machine.run(f"vm info {arch}"))
    enter(machine, arch, "small")
    assert whole - guest_free_kib(machine) > 300 << 10
    # What is left works, and all of it does once it is back.
    assert machine.guest("seq 30000 | sha256sum") == machine.guest("seq 30000 | sha256sum")
    leave(machine)
    assert "go on with 512 MiB" in machine.run(f"vm balloon {arch} 512M")
    wait_for_balloon(machine, arch, 0)
    enter(machine, arch, "large")
    while guest_free_kib(machine) <= 0.95 * whole:
        pass  # Linux counts no pages in its CPUs' own lists, which it empties second by second
    touch(machine, arch, "again")
    assert resident_kib(machine, arch) > 300 << 10
    machine.run(f"vm destroy {arch}")
    assert "is not running" in machine.run(f"vm balloon {arch} 64M")


@pytest.mark.parametrize("arch", ARCHES)
def test_free_pages_are_taken_back_where_the_guest_wants_it(boot, arch):
    machine = start(boot, arch, "reclaim = yes\n")
    touch(machine, arch, "filled")
    while resident_kib(machine, arch) > 200 << 10:
        pass  # the driver reports two seconds after pages became free
    enter(machine, arch, "after")
    touch(machine, arch, "again")
