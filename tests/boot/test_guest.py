# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian's kernel as a guest: to its shell, through some hundred commands, and off by itself."""
import hashlib
import random

import pytest

from conftest import ARCHES, ENGINE, guest_config, guest_files


def commands(count, seed):
    """(shell command, expected output) pairs; what is expected is computed here, not in the guest."""
    rng = random.Random(seed)
    for _ in range(count):
        a, b, n = rng.randrange(1, 1 << 30), rng.randrange(1, 1 << 20), rng.randrange(2, 60)
        word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(n % 12 + 2))
        yield rng.choice([
            (f"echo $(({a}*{b}))", str(a * b)),
            (f"echo $(({a}%{b}))", str(a % b)),
            (f"printf {word} | md5sum", hashlib.md5(word.encode()).hexdigest() + "  -"),
            (f"printf {word} | sha256sum", hashlib.sha256(word.encode()).hexdigest() + "  -"),
            (f"seq {n} | awk '{{s+=$1}} END {{print s}}'", str(n * (n + 1) // 2)),
            (f"echo {word} | rev", word[::-1]),
            (f"echo {word} | tr a-z A-Z", word.upper()),
            (f"i=0; while [ $i -lt {n} ]; do i=$((i+1)); done; echo $i", str(n)),
            (f"mkdir /tmp/{word[:6]}; ls -d /tmp/{word[:6]}; rmdir /tmp/{word[:6]}", f"/tmp/{word[:6]}"),
        ])


@pytest.mark.parametrize("arch", ARCHES)
def test_debian_runs_commands_and_powers_off(boot, arch):
    machine = boot(arch, guest_config(arch), guest_files(arch), memory=1024)
    machine.expect("Ennead guest ready: Linux", timeout=240)
    machine.expect("guest# ")
    for command, expected in commands(300, seed=arch):
        assert machine.guest(command) == expected, command
    machine.child.send("poweroff -f\r")
    machine.expect("Power down")
    machine.child.send("\x1d")
    machine.prompt()
    while "stopping" in (vms := machine.run("vm list")):
        pass  # its memory is being scrubbed
    assert "stopped" in vms
    assert f"{arch}: started on {ENGINE[arch]}" in machine.run("log")


@pytest.mark.parametrize("arch", ARCHES)
def test_guest_starts_again_after_stop(boot, arch):
    machine = boot(arch, guest_config(arch), guest_files(arch), memory=1024)
    machine.expect("Linux version", timeout=240)
    machine.child.send("\x1d")
    machine.prompt()
    assert f"{arch} is stopped." in machine.run(f"vm stop {arch}")
    assert "stopped" in machine.run("vm list")
    assert f"runs on {ENGINE[arch]}" in machine.run(f"vm start {arch}")
    machine.child.send(f"vm console {arch}\r")
    machine.expect("Ennead guest ready: Linux", timeout=240)


@pytest.mark.parametrize("arch", ARCHES)
def test_bad_guests_are_refused_with_the_reason(boot, arch):
    config = (f"[host]\nconfig = 1\n\n[vm missing]\nkernel = ennead/nothing\n\n"
              f"[vm notkernel]\nkernel = ennead/ennead.ini\n\n[vm small]\nmemory = 12Q\n\n[vm empty]\n")
    machine = boot(arch, config)
    machine.prompt()
    assert "was not found" in machine.run("vm start missing")
    assert "was not started" in machine.run("vm start notkernel")
    assert "line 11" in machine.run("vm start small")
    assert "no kernel" in machine.run("vm start empty")
    assert "There is no guest 'other'" in machine.run("vm start other")
