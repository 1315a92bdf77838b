# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The image that `make run` boots: a busybox guest and a Debian guest reach their shells and ping each other; translated ones too."""
import subprocess

import pytest

from conftest import ARCHES, TOP, guest_files

SHELL = {"x86_64": "10.9.0.1", "aarch64": "10.9.0.3", "riscv64": "10.9.0.5"}
DEBIAN = {"x86_64": "10.9.0.2", "aarch64": "10.9.0.4", "riscv64": "10.9.0.6"}
TRANSLATED = {"x86_64": ["aarch64", "riscv64"], "aarch64": [], "riscv64": []}


def ping_from(machine, guest, peer, timeout=400):
    machine.child.send(f"vm console {guest}\r")
    machine.expect("Ennead guest ready: Linux", timeout=timeout)
    machine.expect("guest# ")
    # Until the other one is up it does not answer.
    while "bytes from" not in (answer := machine.guest(f"ping -c 1 -W 2 {peer}", timeout=60)):
        assert "packet loss" in answer
    machine.child.send("\x1d")
    machine.prompt()


@pytest.mark.parametrize("arch", ARCHES)
def test_guests_of_the_image_reach_a_shell_and_ping_each_other(boot, arch):
    subprocess.run(["make", "-s", "image", f"ARCHES={arch}"], check=True, cwd=TOP)
    config = (TOP / f"build/{arch}/ennead.ini").read_text(encoding="utf-8")
    files = guest_files(arch) + [(f"ennead/{arch}/root.img", TOP / f"build/guest/{arch}/root.img")]
    for other in TRANSLATED[arch]:
        files += guest_files(other)
    machine = boot(arch, config, files, memory=3072, cpus=2)
    machine.prompt()
    ping_from(machine, f"{arch}-shell", DEBIAN[arch])
    ping_from(machine, f"{arch}-debian", SHELL[arch])
    for other in TRANSLATED[arch]:
        ping_from(machine, f"{other}-shell", SHELL[arch], timeout=900)
    assert machine.run("vm list").count("running") == 2 + len(TRANSLATED[arch])
    machine.host.screenshot(TOP / f"build/tests/guests-{arch}.png")  # docs/screen.png is that of x86_64
