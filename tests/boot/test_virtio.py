# SPDX-License-Identifier: BSD-2-Clause-Patent
"""VirtIO devices as Debian's kernel finds them: on PCI, with a shell on the VirtIO console."""
import pytest

from conftest import ARCHES, guest_files


@pytest.mark.parametrize("arch", ARCHES)
def test_shell_on_the_virtio_console(boot, arch):
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
    machine.child.send("\x1d")
    machine.prompt()
    assert "virtio-console: in use" in machine.run(f"vm stats {arch}")
