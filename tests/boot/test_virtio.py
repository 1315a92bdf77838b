# SPDX-License-Identifier: BSD-2-Clause-Patent
"""VirtIO devices as Debian's kernel finds them: on PCI, with a shell on the VirtIO console; and by MMIO."""
import hashlib
import re

import pytest

from conftest import ARCHES, CONSOLE, guest_files


def read_random_numbers(machine):
    """Linux hands on what the device fills its buffers with: twice 4 KiB, which differ and are not zeroes."""
    read = [machine.guest("head -c 4096 /dev/hwrng > /tmp/r; wc -c < /tmp/r; tr -d '\\000' < /tmp/r | wc -c; sha256sum < /tmp/r")
            for _ in range(2)]
    (size, nonzero, first), (again, others, second) = ((int(t[-4]), int(t[-3]), t[-2]) for t in map(str.split, read))
    assert size == again == 4096 and first != second
    assert min(nonzero, others) > 4000  # one byte in 256 is zero: 4080 are not


@pytest.mark.parametrize("arch", ARCHES)
def test_shell_on_the_virtio_console_and_random_numbers(boot, arch):
    """QEMU's riscv64 machine gives its host no seed: guests there are offered no random numbers, and the log says why."""
    config = (f"[host]\nconfig = 1\n\n[vm {arch}]\nmemory = 256M\nkernel = ennead/{arch}/kernel\n"
              f"initrd = ennead/{arch}/initrd\ncmdline = console=hvc0\n")
    machine = boot(arch, config, guest_files(arch), memory=1024)
    machine.prompt(timeout=240)
    machine.child.send(f"vm console {arch} hvc0\r")
    machine.expect("Ennead guest ready: Linux", timeout=240)
    machine.expect("guest# ")
    assert machine.guest("cat /sys/class/tty/console/active") == "hvc0"
    machine.guest("cd /sys/bus/pci/devices/0000:00:01.0")
    assert machine.guest("cat vendor device").split() == ["0x1af4", "0x1043"]
    # More than the ring holds at once, and all of it arrives.
    assert machine.guest("seq 1000").split() == [str(n) for n in range(1, 1001)]
    seeded = arch != "riscv64"
    assert ("virtio_rng" in machine.guest("cat /sys/class/misc/hw_random/rng_current")) == seeded
    if seeded:
        read_random_numbers(machine)
    machine.child.send("\x1d")
    machine.prompt()
    stats = machine.run(f"vm stats {arch}")
    assert "virtio-console: in use" in stats
    served = re.search(r"virtio-rng: in use\n  queue 0: (\d+) requests", stats)
    assert served and int(served[1]) >= 2 if seeded else not served
    assert ("riscv64: gets no random number device" in machine.run("log")) != seeded


LAST = 200000


def mmio_guest(arch, name, own, peer, extra=""):
    return (f"\n[vm {name}]\nmemory = 256M\ncpus = 2\nvirtio = mmio\nkernel = ennead/{arch}/kernel\n"
            f"initrd = ennead/{arch}/initrd\nnet = lan\n{extra}cmdline = console={CONSOLE[arch]} quiet "
            f"ip=10.9.0.{own}:::255.255.255.0:::off peer=10.9.0.{peer}\n")


@pytest.mark.parametrize("arch", ["aarch64", "riscv64"])
def test_disk_and_network_by_mmio(boot, arch):
    """No PCI bus at all: the kernel finds its devices in the device tree. Their pins go to a GICv3, a PLIC in one guest, an APLIC
    in the other; to a GICv2 in test_arm_guest.py."""
    config = ("[host]\nconfig = 1\nconsole = a\n\n[network lan]\n\n[disk d]\nsize = 16M\n"
              + mmio_guest(arch, "a", 1, 2, "disk = d\n" + ("interrupts = aia\n" if arch == "riscv64" else ""))
              + mmio_guest(arch, "b", 2, 1))
    machine = boot(arch, config, guest_files(arch), memory=1024)
    machine.expect("10.9.0.2 answers", timeout=300)
    machine.child.send("\r")
    machine.expect("guest# ")
    assert machine.guest("ls /sys/bus/pci/devices 2>/dev/null | wc -l") == "0"
    for device in ("/sys/class/net/eth0/device", "/sys/block/vda/device"):
        assert "virtio_mmio" in machine.guest(f"readlink -f {device}")
    content = "".join(f"{number}\n" for number in range(1, LAST + 1)).encode()
    machine.guest(f"seq {LAST} > /dev/vda; sync; echo 3 > /proc/sys/vm/drop_caches", timeout=120)
    read = machine.guest(f"head -c {len(content)} /dev/vda | sha256sum", timeout=120)
    assert read.split()[0] == hashlib.sha256(content).hexdigest()
    text = machine.guest("cat /proc/interrupts")
    lines = re.findall(r"^ *\d+:((?: +\d+)+) .*virtio\d", text, re.M)
    assert sum(any(int(n) for n in line.split()) for line in lines) >= 2, lines
    assert ("APLIC" in text) == (arch == "riscv64")
    machine.child.send("\x1d")
    machine.prompt()
    stats = machine.run("vm stats a")
    assert "virtio-blk: in use" in stats and "virtio-net: in use" in stats
