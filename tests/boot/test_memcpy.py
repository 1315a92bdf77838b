# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The hosts' own memcpy, run by QEMU's user mode: every size and alignment, nothing beyond the ends."""
import platform
import subprocess

import pytest

from conftest import ARCHES, TOP


@pytest.mark.parametrize("arch", ARCHES)
def test_memcpy_copies_what_it_should(tmp_path, arch):
    program = tmp_path / "memcpy"
    subprocess.run([f"{arch}-linux-gnu-gcc", "-O2", "-ffreestanding", "-fno-stack-protector",
                    "-fno-tree-loop-distribute-patterns", "-nostdlib", "-static",
                    "-Wl,--no-relax", "-o", program,
                    TOP / "tests/boot/memcpy_check.c", TOP / f"arch/{arch}/host/memcpy.S"], check=True)
    emulator = [] if platform.machine() == arch else [f"qemu-{arch}"]
    assert subprocess.run(emulator + [program], timeout=120).returncode == 0
