# SPDX-License-Identifier: BSD-2-Clause-Patent
"""gdb-multiarch on guests: a Debian kernel translated in the hosted program."""
import re
import socket
import subprocess

import pexpect
import pytest

from conftest import GUEST_PROMPT, TOP

PROGRAM = TOP / "build/hosted/ennead"
GUEST = TOP / "build/guest/riscv64"
START = 0x80200000  # where Image begins: RAM's base and text_offset (Linux, Documentation/arch/riscv/boot-image-header.rst)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def gdb(port, *commands):
    """Run gdb in batch mode on the target; its output."""
    command = ["gdb-multiarch", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off",
               "-ex", "set tcp connect-timeout 60", "-ex", f"target remote 127.0.0.1:{port}"]
    for line in commands:
        command += ["-ex", line]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


@pytest.mark.parametrize("engine", ["interp", "hybrid"])
def test_gdb_steps_breaks_and_watches_a_translated_kernel(tmp_path, engine):
    port = free_port()
    image = (GUEST / "kernel").read_bytes()
    command = ["run", "--kernel", str(GUEST / "kernel"), "--initrd", str(GUEST / "initrd"), "--cpus", "2", "--engine", engine,
               "--append", "console=ttyS0 quiet", "--gdb", str(port), "--wait"]
    child = pexpect.spawn(str(PROGRAM), command, encoding="utf-8", codec_errors="replace", timeout=400)
    with (tmp_path / "console.log").open("w", encoding="utf-8") as log:
        child.logfile_read = log
        child.expect_exact("Console of guest")
        # Image begins with a compressed instruction and a jump of 4 bytes over the header, to the code that both tell of.
        jump = int.from_bytes(image[2:6], "little")
        target = START + 2 + ((jump >> 21 & 0x3ff) << 1 | (jump >> 20 & 1) << 11 | (jump >> 12 & 0xff) << 12)
        assert jump & 0x7f == 0x6f
        said = gdb(port, "info threads", "p/x $pc", "stepi", "p/x $pc", "stepi", "p/x $pc",
                   f"x/8xb {START:#x}", f"tbreak *({target + 4:#x})", "continue", "p/x $pc",
                   f"x/4xb {target + 4:#x}", "set $sp = 0x80f00000", "p/x $sp", "monitor translate 0x80200000", "detach")
        assert [int(n, 16) for n in re.findall(r"\$\d+ = (0x[0-9a-f]+)", said)] == [
            START, START + 2, target, target + 4, 0x80F00000], said
        assert '"vCPU 1" (waits for start-up)' in said
        assert "is at guest-physical 0x80200000" in said
        bytes_seen = [bytes(int(n, 16) for n in re.findall(r"\t(0x[0-9a-f]{2})", line))
                      for line in re.findall(r"^0x[0-9a-f]+:((?:\t0x[0-9a-f]{2})+)", said, re.M)]
        offset = target + 4 - START
        assert bytes_seen == [image[:8], image[offset:offset + 4]], said  # the breakpoint is not seen
        child.expect("Ennead guest ready")
        child.expect_exact(GUEST_PROMPT)
        # Every entry of the kernel's trap handler begins at stvec; the guest lives on after all points are gone.
        child.send("while :; do :; done &\r")
        said = gdb(port, "info threads", "hbreak *$stvec", "continue", "p $pc == $stvec", "delete",
                   "break *$stvec", "continue", "p $pc == $stvec", "stepi 20", "p/x (unsigned long)$satp >> 60",
                   "delete", "set $at = (long)$sp - 16", "watch *(long *)$at", "continue", "detach")
        assert said.count("= 1\n") == 2 and "= 0x9\n" in said, said  # Sv48
        assert "Old value" in said and "New value" in said, said
        child.send("echo alive $((6*7))\r")
        child.expect("alive 42")
        child.send("poweroff -f\r")
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
