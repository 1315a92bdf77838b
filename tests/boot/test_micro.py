# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The bare-metal micro-guests (tests/guests): as guests, and straight on QEMU, which validates the tests themselves."""
import random
import re
import struct

import pexpect
import pytest

from conftest import ARCHES, TOP, plain

STRAIGHT = {
    "aarch64": ["-M", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"],
    "riscv64": ["-M", "virt", "-cpu", "rv64,h=off"],
    "x86_64": ["-M", "q35", "-cpu", "max"],
}
# The suite's options: x86_64 once more with the local APIC's registers in memory and without the timer's deadline mode.
SUITES = {"aarch64": [""], "riscv64": [""], "x86_64": ["", "xapic nodeadline"]}
# A test of the serial port's interrupt leaves a blank before the next line.
TEST = re.compile(r"^ ?(not ok|ok) (\d+) - (.*)$", re.M)


def micro(arch):
    return TOP / f"build/{arch}/guests/micro"


def verdict(text):
    """The results of one micro-guest by its output; every announced test must have one."""
    text = plain(text)
    failed = [line[0] for line in TEST.finditer(text) if line[1] == "not ok"]
    assert not failed, "\n".join(failed) + "\n" + "\n".join(re.findall(r"^# .*$", text, re.M))
    numbers = [int(line[2]) for line in TEST.finditer(text)]
    plan = re.search(r"^1\.\.(\d+)$", text, re.M)
    assert plan and numbers == list(range(1, int(plan[1]) + 1)), text
    return numbers


def guest(name, cmdline, cpus=1, memory="64M", extra=""):
    return (f"[vm {name}]\nmemory = {memory}\ncpus = {cpus}\nkernel = micro\ncmdline = {cmdline}\n{extra}\n")


def ended(machine, timeout):
    """What the guest whose console is shown wrote until it ended."""
    machine.expect(r"# done: [^\n]*\n|# ended early", timeout=timeout)
    return machine.child.before + machine.child.match[0]


def straight(arch, cmdline, cpus=1, timeout=60, processor=None):
    """`processor`: another one than usual, as QEMU's -cpu takes it."""
    command = STRAIGHT[arch] + (["-cpu", processor] if processor else []) + ["-smp", str(cpus), "-m", "256", "-display", "none", "-nodefaults", "-no-reboot",
                                "-serial", "stdio", "-kernel", str(micro(arch)), "-append", cmdline]
    child = pexpect.spawn(f"qemu-system-{arch}", command, encoding="utf-8", codec_errors="replace", timeout=timeout)
    try:
        child.expect(pexpect.EOF)
        return child.before
    finally:
        child.close(force=True)


def leaking_guests(extra=""):
    """Two guests with different patterns in every register, and one that is to find none of them."""
    return (guest("a", "leak seed=1", extra=extra) + guest("b", "leak seed=2", extra=extra)
            + guest("fresh", "fresh", extra=extra + "autostart = no\n"))


def no_leaks(machine):
    """A guest that starts while two others hold patterns, on the same CPU, sees nothing of them nor of the host; and their
    patterns stay. What they printed."""
    machine.prompt()
    machine.run("vm start fresh")
    texts = {}
    for name in ("fresh", "a", "b"):
        machine.child.send(f"vm console {name}\r")
        texts[name] = plain(ended(machine, 240))
        verdict(texts[name])
        machine.child.send("\x1d")
        machine.prompt()
    return texts


@pytest.mark.parametrize("arch", ARCHES)
def test_no_register_leaks_between_guests_on_one_cpu(boot, arch):
    """Two guests with different patterns in every register share the host's only CPU."""
    machine = boot(arch, "[host]\nconfig = 1\n\n" + leaking_guests(), [("micro", micro(arch))], memory=1024, cpus=1)
    no_leaks(machine)


@pytest.mark.parametrize("arch", ARCHES)
def test_no_register_leaks_where_guests_change_cpus(boot, arch):
    """Three on two CPUs: one that wakes takes whichever is idle, and what it left on the other is out of date."""
    names = "abc"
    config = "[host]\nconfig = 1\nconsole = a\n\n" + "".join(guest(name, f"leak seed={seed} rounds=1500") for seed, name in enumerate(names))
    machine = boot(arch, config, [("micro", micro(arch))], memory=1024, cpus=2)
    for name in names:
        if name != "a":
            machine.prompt()
            machine.child.send(f"vm console {name}\r")
        verdict(ended(machine, 240))
        machine.child.send("\x1d")


def reload_while_running(machine):
    """Guests a and b check their registers meanwhile, and end."""
    machine.prompt()
    for _ in range(5):
        for name in "ab":
            assert "the same again" in machine.run(f"vm reload {name}")
    for name in "ab":
        machine.child.send(f"vm console {name}\r")
        verdict(ended(machine, 240))
        machine.child.send("\x1d")
        machine.prompt()


@pytest.mark.parametrize("arch", ARCHES)
def test_state_is_saved_wiped_and_loaded(boot, arch):
    rounds = 2500 if arch == "riscv64" else 10000  # which QEMU makes last alike
    config = "[host]\nconfig = 1\n" + "".join(guest(name, f"leak seed={seed} rounds={rounds}") for seed, name in enumerate("ab"))
    reload_while_running(boot(arch, config, [("micro", micro(arch))], build="debug", memory=1024, cpus=1))


AT_START = "memory_at_start = yes\n"


def gigabyte_guest():
    return guest("a", "clock period=100", memory="1G", extra=AT_START)


def gigabyte_is_one_page(machine):
    """Guest a has all of its memory, by one entry of the second stage."""
    machine.child.send("vm console a\r")
    machine.expect(r"clock [0-9]+ ms")
    machine.child.send("\x1d")
    machine.prompt()
    stats = machine.run("vm stats a")
    assert "blocks of 1 GiB mapped: 1\n" in stats and "memory in use: 1048576 KiB" in stats, stats
    assert "pages mapped on demand: 1," in stats


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_a_gigabyte_is_one_page(boot, arch):
    """On aarch64 the second stage of a guest that small has two levels: no leaf is larger than 2 MiB."""
    machine = boot(arch, "[host]\nconfig = 1\n" + gigabyte_guest(), [("micro", micro(arch))], memory=4096, cpus=1)
    machine.prompt()
    gigabyte_is_one_page(machine)


def test_no_vector_or_aia_register_leaks_between_riscv64_guests(boot):
    """With AIA in the guests and one interrupt file on the host's only CPU: one guest gets it."""
    aia = "interrupts = aia\n"
    machine = boot("riscv64", "[host]\nconfig = 1\n\n" + leaking_guests(aia), [("micro", micro("riscv64"))], memory=1024,
                   cpu="rv64,h=true,v=true", machine="virt,aia=aplic-imsic,aia-guests=1")
    assert "holding 119 registers" in no_leaks(machine)["a"]


@pytest.mark.parametrize("arch", ARCHES)
def test_register_patterns_hold_without_a_hypervisor(arch):
    verdict(straight(arch, "leak rounds=500"))


@pytest.mark.parametrize("arch", ARCHES)
def test_suite_without_a_hypervisor(arch):
    """QEMU's machine is the truth that the suite itself is measured against."""
    for options in SUITES[arch]:
        assert len(verdict(straight(arch, f"suite {options}", cpus=2))) > 50


QEMU_MISTAKE = "SB stlr, ldar"  # its LDAR does not wait for the STLR before it (Arm ARM B2.3, Barrier-ordered-before)


@pytest.mark.parametrize("arch", ARCHES)
def test_litmus_without_a_hypervisor(arch):
    text = plain(straight(arch, "litmus rounds=3000", cpus=2))
    assert "# done" in text
    assert {line[3].split(" is ")[0] for line in TEST.finditer(text) if line[1] == "not ok"} <= {QEMU_MISTAKE}


# By QEMU 10.0 it does not, where there is Svpbmt (Privileged Architecture 1.13, chapter 16: "a page-fault exception").
QEMU_PBMT = "a page of a reserved memory type faults"


@pytest.mark.parametrize("arch, processor", [
    ("riscv64", "rv64,h=off"), ("riscv64", "max,h=off"), ("riscv64", "rv64,h=off,v=true,zvbb=true,zacas=true,zfh=true,zba=false,zbs=false,svpbmt=true"),
    ("aarch64", "max,pauth-impdef=on"), ("aarch64", "cortex-a72"), ("aarch64", "neoverse-v1"),
])
def test_extensions_without_a_hypervisor(arch, processor):
    """That test_hosted.py's instructions are of the extensions whose names they have: QEMU's processors offer many and few of these."""
    text = plain(straight(arch, "extensions", processor=processor))
    assert len(verdict(re.sub(rf"not (ok \d+ - {QEMU_PBMT})", r"\1", text))) > 40


def test_two_cpus_see_of_each_other_what_their_architecture_allows(boot):
    """On the hardware and by the translator, one after the other: they wait for each other by spinning."""
    guests = [guest(arch, "litmus rounds=1000", cpus=2, extra=f"arch = {arch}\nautostart = no\n").replace("= micro", f"= {arch}")
              for arch in ARCHES]
    machine = boot("x86_64", "[host]\nconfig = 1\n\n" + "".join(guests), [(arch, micro(arch)) for arch in ARCHES],
                   memory=1024, cpus=2)
    machine.prompt()
    for arch in ARCHES:
        machine.run(f"vm start {arch}")
        machine.child.send(f"vm console {arch}\r")
        assert len(verdict(ended(machine, 240))) > 4
        machine.child.send("\x1d")
        machine.prompt()


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("arch", ARCHES)
def test_suite(boot, arch, cpus):
    """Guests of two vCPUs, on one host CPU and on two."""
    names = "ab"[:len(SUITES[arch])]
    config = "[host]\nconfig = 1\nconsole = a\n\n" + "".join(
        guest(name, f"suite {options}", cpus=2) for name, options in zip(names, SUITES[arch]))
    machine = boot(arch, config, [("micro", micro(arch))], memory=1024, cpus=cpus)
    for name in names:
        if name != "a":
            machine.child.send("\x1d")
            machine.prompt()
            machine.child.send(f"vm console {name}\r")
        assert len(verdict(ended(machine, 240))) > 50


def test_an_interrupt_comes_once_where_time_is_counted_in_instructions(boot):
    """QEMU 10 repeats an interrupt of SVM's EVENTINJ, also where they are masked, when one of its timers ends a run of the guest
    that has had no exception since: Debian waited for a lock of its own then."""
    config = "[host]\nconfig = 1\nconsole = a\n\n" + guest("a", "suite handlers")
    machine = boot("x86_64", config, [("micro", micro("x86_64"))], memory=1024, icount=True)
    verdict(ended(machine, 240))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("arch", ARCHES)
def test_hostile_guest_harms_nobody(boot, arch, seed):
    """Beside it, on the same CPU, runs a guest that checks all of its registers; the monitor answers as before."""
    config = ("[host]\nconfig = 1\nconsole = bad\n\n[disk d]\nsize = 1M\n\n[network n]\n\n"
              + guest("bad", f"hostile seed={seed}", extra="disk = d\nnet = n\n") + guest("good", "leak rounds=1000"))
    machine = boot(arch, config, [("micro", micro(arch))], memory=1024, cpus=1)
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    machine.child.send("vm console good\r")
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    assert "stopped" in machine.run("vm list")


GICV2 = "virt,virtualization=on,gic-version=2"


def test_suite_without_a_hypervisor_on_a_gicv2(monkeypatch):
    monkeypatch.setitem(STRAIGHT, "aarch64", ["-M", "virt,gic-version=2", "-cpu", "max,pauth-impdef=on"])
    assert len(verdict(straight("aarch64", "suite", cpus=2))) > 50


@pytest.mark.parametrize("cpu", [None, "cortex-a72"])
def test_suite_on_a_gicv2_host(boot, cpu):
    """With and without virtualization host extensions."""
    config = "[host]\nconfig = 1\nconsole = a\n\n" + guest("a", "suite", cpus=2)
    machine = boot("aarch64", config, [("micro", micro("aarch64"))], memory=1024, machine=GICV2, cpu=cpu)
    assert len(verdict(ended(machine, 240))) > 50


def test_no_register_leaks_on_a_gicv2_host(boot):
    """Without virtualization host extensions."""
    no_leaks(boot("aarch64", "[host]\nconfig = 1\n\n" + leaking_guests(), [("micro", micro("aarch64"))], memory=1024,
                  machine=GICV2, cpu="cortex-a72"))


@pytest.mark.parametrize("arch", ARCHES)
def test_hostile_rings_harm_nobody(boot, arch):
    """A driver whose rings loop, jump and point outside memory, rewritten by its second CPU while the devices read them; beside
    it a guest that checks its registers."""
    config = ("[host]\nconfig = 1\nconsole = bad\n\n[disk d]\nsize = 1M\n\n[network n]\n\n"
              + guest("bad", "rings seed=1", cpus=2, extra="disk = d\nnet = n\n") + guest("good", "leak rounds=1000", extra="net = n\n"))
    machine = boot(arch, config, [("micro", micro(arch))], memory=1024, cpus=2)
    assert len(verdict(ended(machine, 240))) > 4
    machine.child.send("\x1d")
    machine.prompt()
    machine.child.send("vm console good\r")
    verdict(ended(machine, 240))
    machine.child.send("\x1d")
    machine.prompt()
    assert "running" not in machine.run("vm list")
    # The rings were looked at, and what was wrong with them was found.
    reasons = set(re.findall(r"the driver gave it ([^\n]*)", machine.run("log")))
    assert len(reasons) > 3, reasons


MULTIBOOT_HEADER = struct.pack("<III", 0x1BADB002, 3, -(0x1BADB002 + 3) & 0xFFFFFFFF)
HEADER_AT = 0x400  # between the ELF headers and the first page; Ennead looks for this header before the PVH note


def test_multiboot(boot, tmp_path):
    """QEMU takes no 64-bit ELF files by Multiboot: the header is in this copy alone."""
    kernel, module = bytearray(micro("x86_64").read_bytes()), random.Random(8).randbytes(70001)
    assert not any(kernel[HEADER_AT:HEADER_AT + len(MULTIBOOT_HEADER)])
    kernel[HEADER_AT:HEADER_AT + len(MULTIBOOT_HEADER)] = MULTIBOOT_HEADER
    (tmp_path / "micro").write_bytes(kernel)
    (tmp_path / "module").write_bytes(module)
    config = "[host]\nconfig = 1\nconsole = a\n\n" + guest(
        "a", f"multiboot module={len(module)} sum={sum(module)}", extra="initrd = module\n")
    machine = boot("x86_64", config, [("micro", tmp_path / "micro"), ("module", tmp_path / "module")], memory=1024)
    assert len(verdict(ended(machine, 240))) == 10
