# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The same image under Bochs: a PC with VT-x, or with more of SVM than QEMU has, and without ACPI."""
import re
import struct
import subprocess
import sys

import pexpect.fdpexpect
import pytest

import bochs
from conftest import EFI, GUEST_PROMPT, TOP, Console, make_image
from test_micro import (AT_START, ended, gigabyte_guest, gigabyte_is_one_page, guest, leaking_guests, micro, no_leaks,
                        reload_while_running, verdict)

VTX, SVM = "corei7_skylake_x", "ryzen"
OLD_VTX = "corei7_sandy_bridge_2600k"  # its local APIC is software
PLAIN = "[host]\nconfig = 1\n"
HOST_KHZ = 100_000  # 10^8 instructions a second: bochs.Pc

# For each number of `vm break` the field that the reason must name: controls, host state, guest state, MSR lists.
FIELDS = [
    "pin-based controls:", "primary processor-based controls:", "secondary processor-based controls:", "VM-exit controls:",
    "VM-entry controls:", "MSR-bitmap address:", "virtual-APIC address:", "EPT pointer:", "VPID:",
    "VM-entry interruption information:",
    "host CR0:", "host CR4:", "host CS selector:", "host TR selector:", "host GS base:", "host IA32_EFER:", "host IA32_PAT:",
    "host RIP:",
    "guest CR0:", "guest CR4:", "guest CR3:", "guest IA32_EFER:", "guest DR7:", "guest RFLAGS:", "guest TR base:",
    "guest CS access rights:", "guest TR access rights:", "guest GDTR limit:", "guest activity state:",
    "guest interruptibility state:", "VMCS link pointer:",
    "VM-exit MSR-load address", "entry MSR-load list:",
]


def efi_application(code):
    """The smallest PE32+ image with `code`, which needs no relocation."""
    text = code.ljust(512, b"\xcc")
    header = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0"
    header += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    header += struct.pack("<HBBIIIII", 0x20B, 0, 0, 512, 0, 0, 0x1000, 0x1000)
    header += struct.pack("<QIIHHHHHHIIIIHH", 0, 0x1000, 512, 0, 0, 0, 0, 0, 0, 0, 0x2000, 512, 0, 10, 0)
    header += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(128)
    header += struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return header.ljust(512, b"\0") + text


def write_msr(number, value):
    """mov ecx, number; mov eax, value; xor edx, edx; wrmsr; xor eax, eax; ret"""
    return efi_application(struct.pack("<BIBI", 0xB9, number, 0xB8, value) + b"\x31\xd2\x0f\x30\x31\xc0\xc3")


def image_after(image, before, config, files):
    """Without a loader where the firmware looks: it starts its shell, which runs startup.nsh."""
    (image.parent / "before.efi").write_bytes(before)
    (image.parent / "ennead.ini").write_text(config, encoding="utf-8")
    (image.parent / "startup.nsh").write_text("@echo -off\r\nfs0:\r\nbefore.efi\r\nennead.efi\r\n", encoding="utf-8")
    pairs = [(name, image.parent / name) for name in ("before.efi", "startup.nsh")]
    pairs += [("ennead/ennead.ini", image.parent / "ennead.ini"), ("ennead.efi", TOP / "build/x86_64" / EFI["x86_64"]), *files]
    subprocess.run([sys.executable, TOP / "tools/image.py", image] + [f"{a}={b}" for a, b in pairs], check=True, cwd=TOP)


class Machine(Console):
    """A booted PC; a context manager that ends Bochs."""

    def __init__(self, folder, name, model, config, files, build, memory, timeout, before=None):
        """`before`: an EFI application that the firmware's shell runs first."""
        image = folder / "image"
        if before:
            image_after(image, before, config, files)
        else:
            make_image(image, "x86_64", config, files, build)
        logs = TOP / "build/tests"
        logs.mkdir(parents=True, exist_ok=True)
        # Time passes by instructions: fewer a second leave less to do between two ticks of a guest's clock.
        self.pc = bochs.Pc(image, folder, model=model, memory=memory, log=logs / f"bochs-{name}.log")
        self.log = open(logs / f"bochs-{name}.serial.log", "w", encoding="utf-8")
        self.child = pexpect.fdpexpect.fdspawn(self.pc.serial, encoding="utf-8", codec_errors="replace", timeout=timeout)
        self.child.logfile_read = self.log
        self.pc.start()
        if before:
            self.expect("any other key")
            self.child.send("\r")  # the shell need not wait

    def __exit__(self, *unused):
        self.pc.stop()
        self.child.close()
        self.log.close()


@pytest.fixture
def pc(tmp_path, request):
    """pc(config, ...) starts a machine that is ended with the test."""
    machines = []

    def start(config=PLAIN, model=VTX, files=(), build="", memory=512, timeout=240, before=None):
        name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)
        request.node.user_properties.append(("host", "x86_64"))  # for tools/support.py
        machines.append(Machine(tmp_path, name, model, config, files, build, memory, timeout, before))
        return machines[-1]

    yield start
    for machine in machines:
        machine.__exit__()


def micro_files():
    return [("micro", micro("x86_64"))]


def linux(cpus):
    files = [(f"ennead/{name}", TOP / f"build/guest/x86_64/{name}") for name in ("kernel", "initrd")]
    return (f"{PLAIN}console = g\n\n[vm g]\nmemory = 256M\ncpus = {cpus}\nkernel = ennead/kernel\ninitrd = ennead/initrd\n"
            "cmdline = console=ttyS0\n"), files


@pytest.mark.parametrize("model", [VTX, SVM])
def test_boot_without_acpi(pc, model):
    machine = pc(model=model)
    machine.prompt()
    text = machine.run("host")
    assert "ACPI: none" in text
    assert ("SVM is there" if model == SVM else "VT-x is there") in text
    if model == VTX:
        assert "VT-x with extended page tables and unrestricted guests" in text
        assert "pages of the second stage: up to 1 GiB" in text


FEATURE_CONTROL, LOCKED, VTX_ON = 0x3A, 1, 4


@pytest.mark.parametrize("on", [False, True])
def test_firmware_locks_vt_x(pc, on):
    """IA32_FEATURE_CONTROL locked: off, which is said and no guest starts, or on."""
    value = LOCKED | (VTX_ON if on else 0)
    machine = pc(PLAIN + guest("a", "clock period=100", extra="autostart = no\n"), files=micro_files(),
                 before=write_msr(FEATURE_CONTROL, value))
    machine.prompt()
    told, started = machine.run("host"), machine.run("vm start a")
    reason = "VT-x is switched off by the firmware: enable virtualization in its set-up"
    assert (reason in told) != on and (reason in started) != on, started
    assert ("VT-x with extended page tables" in told) == on
    assert ("running" in machine.run("vm info a")) == on


def test_guest_runs_with_next_rip_and_flush_by_asid(pc):
    """The model has two features of SVM that QEMU does not offer. (Two vCPUs would share CR2: Bochs 3.0 never loads it.)"""
    # Without "debug": a VMRUN of Bochs 3.0 forgets that breakpoints are on, and one that is seen is seen again and again.
    groups = "memory exits timers registers cpus interrupts ipis mmio paging illegal handlers"
    machine = pc(PLAIN + "console = a\n\n" + guest("a", "suite " + groups), SVM, micro_files())
    assert len(verdict(ended(machine, 240))) > 50
    machine.child.send("\x1d")
    machine.prompt()
    text = machine.run("host")
    assert "next RIP: from the CPU" in text
    assert "flushes of one guest: by the CPU" in text


def after_suite(machine):
    """What the guest measured its counter's rate to be, against another clock: kHz. Leaves its console."""
    text = ended(machine, 240)
    assert len(verdict(text)) > 50
    machine.child.send("\x1d")
    machine.prompt()
    return int(re.search(r"# counter: ([0-9]+) kHz", text)[1])


@pytest.mark.parametrize("model", [VTX, OLD_VTX])
def test_suite(pc, model):
    """A guest of two vCPUs on one host CPU, with all that the engine uses where it is there, and without."""
    other = guest("b", "clock", extra="autostart = no\ncounter_khz = 77000\n")
    machine = pc(PLAIN + "console = a\n\n" + guest("a", "suite", cpus=2) + other, model, micro_files())
    assert after_suite(machine) == pytest.approx(HOST_KHZ, rel=0.001)
    told, stats, new = machine.run("host"), machine.run("vm stats a"), model == VTX
    assert "virtual interrupt delivery: " + ("used" if new else "missing") in told
    assert "accessed and dirty bits: " + ("on" if new else "missing") in told
    turns = re.search(r"turns that the preemption timer ended: ([0-9]+)", stats)
    assert turns and int(turns[1]) > 10, stats
    assert ("the CPU cannot scale it" in machine.run("vm start b")) != new


def test_a_guest_has_the_counter_rate_of_its_section(pc):
    config = PLAIN + "console = a\n\n" + guest("a", "suite", extra="counter_khz = 77000\n")
    assert after_suite(pc(config, files=micro_files())) == pytest.approx(77000, rel=0.001)


def test_what_is_missing_is_named(pc):
    """A model whose VT-x has neither EPT nor what came with it: `host` and `vm start` name the parts."""
    machine = pc(PLAIN + guest("a", "clock", extra="autostart = no\n"), "core2_penryn_t9600", micro_files())
    machine.prompt()
    for text in (machine.run("host"), machine.run("vm start a")):
        assert "VT-x lacks what is needed here" in text, text
        assert "extended page tables" in text and "unrestricted guest" in text, text
    assert "VT-x is there" in machine.run("host")


def test_no_register_leaks_between_guests(pc):
    """Two guests with different patterns in every register share the CPU."""
    no_leaks(pc(PLAIN + leaking_guests(), files=micro_files()))


def test_translated_guest_beside_one_on_vt_x(pc):
    """Each checks its registers. The CPU has PCID: emitted code runs in tables without the hypervisor."""
    translated = guest("b", "leak seed=2 rounds=300", extra="arch = riscv64\nengine = jit\n").replace("= micro", "= foreign")
    machine = pc(PLAIN + "console = a\n\n" + guest("a", "leak seed=1 rounds=300") + translated,
                 files=[*micro_files(), ("foreign", micro("riscv64"))])
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    machine.child.send("vm console b\r")
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    assert "in page tables without the hypervisor" in machine.run("host")


def test_state_is_saved_wiped_and_loaded(pc):
    """While they run: the registers that they check, clock and interrupts go on as if nothing had been."""
    config = PLAIN + guest("a", "leak seed=1 rounds=5000") + guest("b", "leak seed=2 rounds=5000")
    reload_while_running(pc(config, files=micro_files(), build="debug"))


def test_a_gigabyte_is_one_page(pc):
    """`memory_at_start` takes 1 GiB as one block, which extended page tables map by one leaf."""
    machine = pc(PLAIN + gigabyte_guest() + guest("big", "clock", memory="4G", extra=AT_START + "autostart = no\n"),
                 files=micro_files(), memory=3072)
    machine.prompt()
    gigabyte_is_one_page(machine)
    assert "less memory left than its 4096 MiB" in machine.run("vm start big")


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_guest_harms_nobody(pc, seed):
    """Beside it runs a guest that checks all of its registers; the monitor answers as before."""
    config = (PLAIN + "console = bad\n\n[disk d]\nsize = 1M\n\n[network n]\n\n"
              + guest("bad", f"hostile seed={seed}", extra="disk = d\nnet = n\n") + guest("good", "leak rounds=1000"))
    machine = pc(config, files=micro_files())
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    machine.child.send("vm console good\r")
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    assert "stopped" in machine.run("vm list")


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_debian_guest(pc, cpus):
    config, files = linux(cpus)
    machine = pc(config, files=files, timeout=900)
    machine.child.expect_exact(GUEST_PROMPT)
    assert machine.guest("grep -c ^processor /proc/cpuinfo") == str(cpus)
    assert "GenuineIntel" in machine.guest("grep -m1 vendor_id /proc/cpuinfo")
    machine.child.send("\x1d")
    machine.prompt()
    stats = machine.run("vm stats g")
    assert re.search(r"memory +[1-9]", stats) and re.search(r"port +[1-9]", stats), stats


def test_refused_entry_names_the_field_and_stops_that_guest_alone(pc):
    vm = "\n[vm {name}]\nmemory = 64M\nkernel = micro\ncmdline = clock period=100\nautostart = yes\n"
    machine = pc(PLAIN + vm.format(name="broken") + vm.format(name="other"), files=micro_files(), build="debug")
    machine.prompt()
    machine.run("vm stop broken 0")
    for number, field in enumerate(FIELDS):
        machine.run("vm start broken")
        assert "illegal from now on" in machine.run(f"vm break broken {number}")
        while "broken" not in (reason := machine.run("vm info broken")) or "running" in reason:
            pass  # it leaves at its next entry
        assert field in reason, reason
        assert "running" in machine.run("vm info other")
    assert "past the last one" in machine.run(f"vm break other {len(FIELDS)}")
