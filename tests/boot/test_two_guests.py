# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The image that `make run` boots: a busybox guest and a Debian guest reach their shells and ping each other."""
import subprocess

import pytest

from conftest import ARCHES, TOP, guest_files


@pytest.mark.parametrize("arch", ARCHES)
def test_both_guests_of_the_image_reach_a_shell_and_ping_each_other(boot, arch):
    subprocess.run(["make", "-s", "image", f"ARCHES={arch}"], check=True, cwd=TOP)
    config = (TOP / f"build/{arch}/ennead.ini").read_text(encoding="utf-8")
    files = guest_files(arch) + [(f"ennead/{arch}/root.img", TOP / f"build/guest/{arch}/root.img")]
    machine = boot(arch, config, files, memory=2048, cpus=2, display=False)
    machine.prompt()
    for guest, peer in (("shell", "10.9.0.2"), ("debian", "10.9.0.1")):
        machine.child.send(f"vm console {arch}-{guest}\r")
        machine.expect("Ennead guest ready: Linux", timeout=400)
        machine.expect("guest# ")
        # Until the other one is up it does not answer.
        while "bytes from" not in (answer := machine.guest(f"ping -c 1 -W 2 {peer}", timeout=60)):
            assert "packet loss" in answer
        machine.child.send("\x1d")
        machine.prompt()
    assert machine.run("vm list").count("running") == 2
