# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Translated guests in the hypervisor: emitted code in its cage, and code in a cage that is not what was emitted."""
import os
import re
import socket
import subprocess

import pytest

from conftest import CONSOLE, guest_files
from test_micro import ended, guest, micro, verdict

MEMORY = "reached for memory that is not the guest's"
RIGHTS = "tried an instruction of the hypervisor"
UNKNOWN = "is no instruction"
ANSWER = "asked for what there is not"
ENDLESS = "does not come to an end"
CODE_ALIGN, STUBS = 1 << 21, 8192  # of the code's beginning
# What caged code tries, the hypervisor's addresses in braces, and what the hypervisor says of it.
ATTACKS = [(f"mov ${{{place}}}, %rax; mov (%rax), %al", MEMORY) for place in ("code", "idt", "gdt", "direct", "vmap")]
ATTACKS += [(f"mov ${{{place}}}, %rax; mov %al, (%rax)", MEMORY) for place in ("code", "idt", "gdt", "direct", "vmap")]
ATTACKS += [(f"mov ${{{place}}}, %rax; jmp *%rax", MEMORY) for place in ("code", "direct", "vmap")]
ATTACKS += [(code, MEMORY) for code in (
    "mov $0x1000, %eax; mov (%rax), %al",             # host memory, as far below the kernel's direct map as a cage is
    "mov $0xfee00020, %eax; mov (%rax), %eax",        # the local APIC
    "lea 0(%rip), %rax; mov %al, (%rax)",             # its own code
    "mov {code}, %al",                                # by an absolute address
    "xor %esp, %esp; push %rax",
    "mov %rsp, %rax; jmp *%rax",                      # its stack, as code
)]
ATTACKS += [(code, RIGHTS) for code in (
    "cli", "sti", "hlt", "lidt (%rsp)", "lgdt (%rsp)", "ltr %ax", "mov %cr0, %rax", "mov %rax, %cr3", "mov %rax, %cr4", "mov %rax, %dr7",
    "mov $0xc0000080, %ecx; rdmsr", "mov $0x1b, %ecx; wrmsr", "in $0x60, %al", "mov $0x8900, %dx; out %al, %dx",
    "invlpg (%rsp)", "xsetbv", "swapgs", "clts", "int $0x20", "int $0x80", "int $0xff", "int $2", "int $8", "vmload",
)]
ATTACKS += [(code, UNKNOWN) for code in ("ud2", "syscall", "vmcall", "clac")]
ATTACKS += [(f"mov ${number}, %eax; mov ${argument}, %rsi; std; int $0xe0", ANSWER) for number, argument in (
    (5, 0), (255, 0), (257, 0), ("0xffffffff", 0), (256, 0), (256, 1), (256, "0x7fffffffffff"), (256, "{code}"), (256, "{idt}"),
    (256, "0x8000000000000000"),
)]
ATTACKS += [(code, ENDLESS) for code in (
    "1: jmp 1b",
    "mov $0x2b, %eax; mov %eax, %gs; mov %eax, %fs; xor %esp, %esp; 1: jmp 1b",
    "pushf; orl $0x44400, (%rsp); popf; 1: jmp 1b",  # direction, nested task, alignment check
)]
ATTACKS += [("pushf; orl $0x3100, (%rsp); popf; nop; nop", "caused an exception")]  # single steps
# By page tables, where an access that faults is one of the guest's until it is found that no such access was emitted.
ATTACKS_BY_WORDS = [(code, MEMORY) for code in (
    "movq $0, -9000(%rbp)", "movq $0, -4500(%rbp)",   # the words, which stand before the frame
    "mov $0x17ffffff000, %rax; mov %al, (%rax)",      # a range's end, and what is kept free between ranges
    "mov $0x18000001000, %rax; mov %al, (%rax)",
    "mov $0x10000000000, %rax; jmp *%rax",
)]
ATTACKS_BY_WORDS += [("mov $0xc00000000000, %rax; mov (%rax), %al", RIGHTS)]  # where words lead that lead nowhere


@pytest.mark.parametrize("engine,cpus", [("jit", 1), ("hybrid", 2)])
def test_suite_of_riscv64(boot, engine, cpus):
    config = ("[host]\nconfig = 1\nconsole = a\n\n" + guest("a", "suite", cpus, extra=f"arch = riscv64\nengine = {engine}\n"))
    machine = boot("x86_64", config, [("micro", micro("riscv64"))], memory=1024, cpus=cpus)
    verdict(ended(machine, 600))
    machine.child.send("\x1d")
    machine.prompt()
    assert f"a: started on {engine}" in machine.run("log")
    assert "in page tables with the hypervisor, out of reach" in machine.run("host")


@pytest.mark.parametrize("arch,cpus", [("riscv64", 2), ("aarch64", 1)])
def test_suite_by_page_tables(boot, arch, cpus):
    config = ("[host]\nconfig = 1\nconsole = a\n\n" + guest("a", "suite", cpus, extra=f"arch = {arch}\nengine = jit\nmmu = page-table\n"))
    machine = boot("x86_64", config, [("micro", micro(arch))], memory=1024, cpus=cpus)
    verdict(ended(machine, 600))
    machine.child.send("\x1d")
    machine.prompt()
    assert page_tables(machine, "a")[2] > 0


def page_tables(machine, name):
    """Pages that were mapped for emitted code, taken back, and mapped by 2 MiB."""
    counts = re.search(r"page tables: mapped (\d+), taken back (\d+), of 2 MiB (\d+)", machine.run(f"vm stats {name}"))
    mapped, dropped, large = (int(n) for n in counts.groups())
    assert mapped > dropped > 0
    return mapped, dropped, large


@pytest.mark.parametrize("isa,mmu", [("riscv64", "page-table"), ("aarch64", "auto"), ("riscv64", "auto"), ("aarch64", "page-table")])
def test_debian_by_page_tables(boot, isa, mmu):
    """Its kernel's pages of 2 MiB are mapped as such; with `auto` only programs that run for long go by page tables."""
    if (isa, mmu) != ("riscv64", "page-table") and "LONG" not in os.environ:
        pytest.skip("takes a minute or two: run with LONG=1")
    config = (f"[host]\nconfig = 1\nconsole = a\n\n[vm a]\narch = {isa}\nmmu = {mmu}\nmemory = 256M\nkernel = ennead/{isa}/kernel\n"
              f"initrd = ennead/{isa}/initrd\ncmdline = console={CONSOLE[isa]} quiet\n")
    machine = boot("x86_64", config, guest_files(isa), memory=1024, cpus=1)
    machine.expect(f"Ennead guest ready: Linux .* {isa}", timeout=600)
    machine.expect("guest# ")
    numbers = "i=0; s=0; while [ $i -lt 30000 ]; do i=$((i+1)); s=$((s+i)); done; echo $i $s"
    assert machine.guest(numbers, timeout=300).endswith("30000 450015000")
    machine.child.send("\x1d")
    machine.prompt()
    mapped, _, large = page_tables(machine, "a")
    assert large > 100 if mmu == "page-table" else mapped < 20000


@pytest.mark.parametrize("arch,isa", [("aarch64", "riscv64"), ("riscv64", "aarch64")])
def test_other_hosts_run_each_others_guests_by_the_interpreter(boot, arch, isa):
    config = "[host]\nconfig = 1\nconsole = a\n\n" + guest("a", "suite", 1, extra=f"arch = {isa}\n")
    machine = boot(arch, config, [("micro", micro(isa))], memory=1024)
    verdict(ended(machine, 900))
    machine.child.send("\x1d")
    machine.prompt()
    assert "a: started on interp" in machine.run("log")


@pytest.mark.skipif("LONG" not in os.environ, reason="takes six minutes: run with LONG=1")
def test_an_aarch64_host_brings_debian_for_riscv64_to_its_shell(boot):
    config = ("[host]\nconfig = 1\nconsole = a\n\n[vm a]\narch = riscv64\nmemory = 256M\nkernel = ennead/riscv64/kernel\n"
              "initrd = ennead/riscv64/initrd\ncmdline = console=ttyS0 quiet\n")
    machine = boot("aarch64", config, guest_files("riscv64"), memory=1024, cpus=1)
    machine.expect("Ennead guest ready: Linux .* riscv64", timeout=1000)
    machine.expect("guest# ")
    here = subprocess.run(["sh", "-c", "seq 1 1000 | sha256sum"], capture_output=True, text=True, check=True).stdout.rstrip("\n")
    assert machine.guest("seq 1 1000 | sha256sum", timeout=100) == here


class Stub:
    """A connection to QEMU's gdb server: the host's CPU is stopped while there is one."""

    def __init__(self, path):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(60)
        self.link.connect(str(path))
        self.ask("?")

    def packet(self):
        data = b""
        while not re.search(rb"\$[^#]*#..$", data, re.S):
            data += self.link.recv(65536)
        self.link.send(b"+")
        return data[data.rindex(b"$") + 1:-3].decode()

    def send(self, text):
        self.link.send(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def ask(self, text):
        self.send(text)
        return self.packet()

    def registers(self):
        """rip and cs."""
        text = bytes.fromhex(self.ask("g").replace("x", "0"))
        return int.from_bytes(text[128:136], "little"), int.from_bytes(text[140:144], "little")

    def stop_at(self, level):
        """Lets the CPU run until a stop finds it in code of this privilege level, not in the stubs by which it comes in without a stack; rip."""
        while True:
            rip, cs = self.registers()
            if cs & 3 == level and (level == 0 or rip % CODE_ALIGN >= STUBS):
                return rip
            self.send("c")
            self.link.send(b"\x03")
            self.packet()

    def write(self, address, code):
        assert self.ask(f"M{address:x},{len(code):x}:{code.hex()}") == "OK"

    def let_go(self):
        assert self.ask("D") == "OK"
        self.link.close()


def assemble(tmp_path, code):
    subprocess.run(["as", "--64", "-o", tmp_path / "o"], input=code + "\n", text=True, check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "code"], check=True)
    return (tmp_path / "code").read_bytes()


def places(machine, stub):
    """Where the hypervisor is, by the CPU's registers."""
    text = machine.host.monitor(execute="human-monitor-command", arguments={"command-line": "info registers"})
    found = {name: int(re.search(rf"{name.upper()}= *([0-9a-f]+)", text)[1], 16) for name in ("idt", "gdt")}
    return {"code": stub.stop_at(0), "direct": 0xffff800000100000, "vmap": 0xffffc00000000000, **found}


@pytest.mark.parametrize("mmu", ["soft", "page-table"])
def test_hostile_code_in_a_cage(boot, tmp_path, mmu):
    """QEMU's debugger writes hostile code over emitted code that runs; a guest beside it checks its registers."""
    bad = guest("bad", "leak rounds=100000000", extra=f"arch = riscv64\nengine = jit\nmmu = {mmu}\nautostart = no\n").replace("= micro", "= foreign")
    config = "[host]\nconfig = 1\n\n" + guest("good", "leak rounds=12000") + bad
    machine = boot("x86_64", config, [("micro", micro("x86_64")), ("foreign", micro("riscv64"))], memory=1024, cpus=1)
    machine.expect("good: started")
    machine.host.monitor(execute="human-monitor-command", arguments={"command-line": f"gdbserver unix:{tmp_path}/gdb,server=on,wait=off"})
    known = None
    for code, says in ATTACKS + (ATTACKS_BY_WORDS if mmu == "page-table" else []):
        machine.child.send("vm start bad\r")
        machine.expect("bad runs on jit")
        stub = Stub(tmp_path / "gdb")
        known = known or places(machine, stub)
        # What faults just where an access was emitted is taken for that access, and done in C: not there.
        stub.write(stub.stop_at(3), assemble(tmp_path, "nop; " + code.format(**known) + "; ud2"))
        stub.let_go()
        machine.expect(rf"bad: translated code {says}|bad: code of the translator {says}")
    machine.child.send("vm console good\r")
    verdict(ended(machine, 240))
