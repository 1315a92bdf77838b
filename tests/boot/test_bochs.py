# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The same loader and kernel under Bochs, a PC with VT-x and without ACPI: to the monitor's prompt."""
import contextlib
import os
import pty
import subprocess

import pexpect.fdpexpect
import pytest

from conftest import PROMPT, TOP, make_image

CYLINDER = 16 * 63 * 512  # Bochs takes flat disks of whole cylinders only

SETTINGS = """\
megs: 256
cpu: model={model}, count=1, ips=100000000, reset_on_triple_fault=0
romimage: file={firmware}, address=0xffe00000
vgaromimage: file=/usr/share/vgabios/vgabios.bin
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path={disk}, cylinders={cylinders}, heads=16, spt=63
boot: disk
display_library: rfb, options="timeout=0"
sound: driver=dummy
com1: enabled=1, mode=term, dev={serial}
log: {log}
panic: action=fatal
"""


@contextlib.contextmanager
def bochs(tmp_path, model, config, files=()):
    """The serial port of an emulated PC that boots an image with `config`."""
    disk = make_image(tmp_path / "disk.img", "x86_64", config, files)
    cylinders = -(-disk.stat().st_size // CYLINDER)
    os.truncate(disk, cylinders * CYLINDER)
    ours, theirs = pty.openpty()
    log = TOP / "build/tests" / f"bochs-{model}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = tmp_path / "bochsrc"
    settings.write_text(SETTINGS.format(model=model, firmware=TOP / "build/deps/firmware/bochs/OVMF.fd", disk=disk,
                                        cylinders=cylinders, serial=os.ttyname(theirs), log=log), encoding="utf-8")
    (tmp_path / "go").write_text("c\n", encoding="utf-8")  # the debugger's first command: continue
    process = subprocess.Popen(["bochs", "-q", "-f", settings, "-rc", tmp_path / "go"], cwd=tmp_path,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield pexpect.fdpexpect.fdspawn(ours, encoding="utf-8", codec_errors="replace", timeout=400)
    finally:
        process.kill()
        process.wait()
        os.close(theirs)


@pytest.mark.parametrize("model", ["corei7_skylake_x", "ryzen"])
def test_boot_under_bochs(tmp_path, model):
    with bochs(tmp_path, model, "[ennead]\nconfig = 1\n") as serial:
        serial.expect_exact(PROMPT)
        serial.send("host\r")
        serial.expect("ACPI: none")
        serial.expect("virtualization: (.*)\n")
        assert ("SVM" if model == "ryzen" else "VT-x") in serial.match[1]
        serial.expect_exact(PROMPT)


def test_guest_runs_with_next_rip_and_flush_by_asid(tmp_path):
    """The model has two features of SVM that QEMU does not offer."""
    config = "[ennead]\nconfig = 1\nconsole = m\n\n[vm m]\nmemory = 64M\nkernel = micro\ncmdline = bench hypercall mmio\n"
    with bochs(tmp_path, "ryzen", config, [("micro", TOP / "build/x86_64/guests/micro")]) as serial:
        serial.expect("hypercall instructions [0-9]")
        serial.expect("mmio instructions [0-9]")
        serial.expect("# done: 0 tests, 0 failed")
