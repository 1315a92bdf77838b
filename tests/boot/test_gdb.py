# SPDX-License-Identifier: BSD-2-Clause-Patent
"""gdb-multiarch on guests: a Debian kernel translated in the hosted program, small guests on the hardware."""
import gzip
import itertools
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import threading

import pexpect
import pytest

from conftest import ARCHES, CONSOLE, GUEST_PROMPT, TOP, Process, guest_config, guest_files

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
        assert re.findall(r"^\$\d+ = (\w+)$", said, re.M) == ["1", "1", "0x9"], said  # 9: Sv48
        assert "Old value" in said and "New value" in said, said
        child.send("echo alive $((6*7))\r")
        child.expect("alive 42")
        child.send("poweroff -f\r")
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


class Bridge:
    """Lets gdb talk to the line of a machine's console while the monitor serves it there."""
    def __init__(self, machine):
        self.machine = machine
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def carry(self):
        there, _ = self.listener.accept()
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with there:
            while True:
                ready, _, _ = select.select([there, self.machine.child.fileno()], [], [])
                if there in ready:
                    try:
                        sent = there.recv(4096)
                    except ConnectionResetError:  # gdb has gone with bytes unread
                        return
                    if not sent:
                        return
                    os.write(self.machine.child.fileno(), sent)
                else:
                    there.sendall(os.read(self.machine.child.fileno(), 4096))


def serve(machine, name, *commands):
    """gdb's commands on a guest, over the console's line; the monitor's prompt comes back when it detaches."""
    machine.child.send(f"gdb {name}\r")
    machine.expect("brings the monitor back")
    bridge = Bridge(machine)
    said = gdb(bridge.port, *commands)
    bridge.thread.join(60)
    machine.child.send("\r")
    machine.prompt()
    return said


@pytest.mark.parametrize("arch", ARCHES)
def test_gdb_debugs_a_hardware_guest_over_the_console(boot, arch):
    """Steps, and a breakpoint in a loop that the guest comes through again and again; then it goes on."""
    config = "[host]\nconfig = 1\n\n[vm g]\nmemory = 64M\nkernel = ennead/micro\ncmdline = clock period=20\n"
    machine = boot(arch, config, [("ennead/micro", TOP / f"build/{arch}/guests/micro")], memory=1024)
    machine.prompt()
    machine.child.send("vm console g\r")
    machine.expect(r"clock \d+ ms")
    machine.child.send("\x1d")
    machine.prompt()
    said = serve(machine, "g", "set $at = $pc", "stepi", "p $pc != $at", "stepi 5", "set $here = $pc", "break *$here", "continue",
                 "p $pc == $here", "continue", "p $pc == $here", "stepi", "p $pc != $here", "delete", "detach")
    assert said.count("= 1\n") == 4, said
    if arch == "riscv64":  # triggers that the firmware lends
        watch_hardware_guest(machine, arch)
    machine.child.send("vm console g\r")
    seen = [int(machine.expect(r"clock (\d+) ms").group(1)) for _ in range(60)]
    assert seen[-1] > seen[0]
    machine.child.send("\x1d")
    machine.prompt()


def watch_hardware_guest(machine, arch):
    """Hardware points: where the guest is, and a variable that its interrupt handler sets."""
    said = serve(machine, "g", "set $here = $pc",
                 f"symbol-file {TOP}/build/{arch}/guests/micro.elf", "hbreak *$here", "continue", "p $pc == $here", "delete",
                 "watch *(char *)&timer_seen", "continue", "continue", "detach")
    assert said.count("= 1\n") == 1, said
    assert [int(n) for n in re.findall(r"^(?:Old|New) value = (\d)", said, re.M)] in ([0, 1, 1, 0], [1, 0, 0, 1]), said


# Of do_sys_openat2(dfd, filename, how), by the psABI of each.
SECOND_ARGUMENT = {"x86_64": "rsi", "aarch64": "x1", "riscv64": "a1"}
# Registers of floating point and of the system, and what they are in a Linux process that has changed neither.
OF_A_PROCESS = {"x86_64": {"$mxcsr": 0x1f80, "$cr0 & 0x80000001": 0x80000001}, "aarch64": {"$fpcr": 0, "$sctlr_el1 & 5": 5},
                "riscv64": {"$fcsr": 0, "(unsigned long)$satp >> 63": 1}}


def debug_debian(arch, tmp_path, guest, debug):
    """A function of a stock kernel by its name, with its caller and its argument; then code and memory of a process.
    guest(command) runs one in the guest's shell, debug(*commands) in gdb."""
    kallsyms, symbols = tmp_path / "kallsyms", tmp_path / "symbols"
    kallsyms.write_text(guest("grep -E ' [Tt] .*(sys_openat|sys_open$)' /proc/kallsyms"), encoding="utf-8")
    subprocess.run([sys.executable, TOP / "tools/guest-symbols.py", arch, kallsyms, symbols], check=True)
    guest("while :; do cat /proc/version; done >/dev/null &")
    said = debug(f"symbol-file {symbols}", "hbreak *do_sys_openat2", "continue", "backtrace 2", f"x/s ${SECOND_ARGUMENT[arch]}",
                 "continue", f"x/s ${SECOND_ARGUMENT[arch]}", "delete", "detach")
    assert re.search(r"^#0 .* in do_sys_openat2 \(\)$\n#1 .* in __\w+_sys_openat \(\)", said, re.M), said
    assert '"/proc/version"' in said, said

    guest("kill $!; wait $!; while :; do :; done &")
    here = 1 << 63
    while here >> 63:  # the kernel's: an interrupt had come
        here = int(re.search(r"= (0x[0-9a-f]+)", debug("p/x $pc", "detach"))[1], 16)
    code, registers = tmp_path / "code", OF_A_PROCESS[arch]
    said = debug(f"hbreak *{here:#x}", "continue", f"p $pc == {here:#x}", "stepi", "set $next = $pc", "delete",
                 "break *$next", "continue", "p $pc == $next", "delete", *(f"p/x {name}" for name in registers),
                 f"dump binary memory {code} {here} {here + 24}", f"monitor translate {here:#x}", "detach")
    assert [int(n, 0) for n in re.findall(r"^\$\d+ = (\w+)$", said, re.M)] == [1, 1, *registers.values()], said
    assert code.read_bytes() in gzip.decompress((TOP / f"build/guest/{arch}/initrd").read_bytes())
    at = int(re.search(r"is at guest-physical (0x[0-9a-f]+)", said)[1], 16)
    length = min(24, 0x1000 - at % 0x1000)
    debug("monitor physical on", f"dump binary memory {code}.physical {at} {at + length}", "detach")
    assert pathlib.Path(f"{code}.physical").read_bytes() == code.read_bytes()[:length]
    guest("kill $!")


@pytest.mark.parametrize("arch", ARCHES)
def test_gdb_debugs_debian_and_its_processes(boot, tmp_path, arch):
    machine = boot(arch, guest_config(arch).replace("console=", "quiet console="), guest_files(arch), memory=1024)
    machine.expect("Ennead guest ready", timeout=300)
    machine.child.expect_exact(GUEST_PROMPT)
    times = itertools.count()

    def debug(*commands):
        machine.child.send("\x1d")
        machine.prompt()
        said = serve(machine, arch, *commands)
        machine.child.send(f"vm console {arch}\r")
        back = next(times)  # the console shows again what was there before
        machine.child.send(f"echo back-$(({back} + 100))\r")
        machine.expect(f"back-{back + 100}\r")
        machine.child.expect_exact(GUEST_PROMPT)
        return said

    debug_debian(arch, tmp_path, machine.guest, debug)


@pytest.mark.parametrize("arch", ["aarch64", "riscv64"])
def test_gdb_debugs_a_translated_debian_and_its_processes(tmp_path, arch):
    port = free_port()
    options = ["--memory", "256M", "--engine", "hybrid", "--append", f"console={CONSOLE[arch]} quiet", "--gdb", str(port)]
    with Process(tmp_path / "console.log", *options, arch=arch) as guest:
        guest.expect("Ennead guest ready")
        guest.child.expect_exact(GUEST_PROMPT)
        debug_debian(arch, tmp_path, guest.guest, lambda *commands: gdb(port, *commands))


# By the manual: vsetivli zero, 4, e32, m1, tu, mu; vadd.vi v9, v8, 5; ret.
ADD_FIVE = [0xc1027057, 0x0282b4d7, 0x00008067]


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_gdb_shows_and_changes_vector_registers(tmp_path, engine):
    """The guest calls code for ever that gdb writes, with operands that gdb writes."""
    port = free_port()
    options = ["--memory", "64M", "--engine", engine, "--append", "given", "--set", "vectors=yes", "--gdb", str(port)]
    with Process(tmp_path / "console.log", *options, arch="riscv64", kernel=TOP / "build/riscv64/guests/micro") as process:
        at = int(process.expect(r"given at (0x[0-9a-f]+)\r")[1], 16)
        process.expect(r"value 1\r")
        said = gdb(port, "set $sstatus = $sstatus | 0x200", "set $v8.w = {1, 2, 0xffffffff, 0x7ffffffe}", "set $v9.l[1] = 0",
                   *[f"set *(unsigned int *){at + 4 * i:#x} = {word:#x}" for i, word in enumerate(ADD_FIVE)],
                   f"set $pc = {at:#x}", f"break *{at + 8:#x}", "continue", "p $v9.w", "p $v8.b[0]", "p $vl", "p $vlenb", "p/x $vtype", "delete", "detach")
        assert re.findall(r"^\$\d+ = (.*)$", said, re.M) == ["{6, 7, 4, 2147483651}", "1", "4", "16", "0x10"], said
        assert "org.gnu.gdb.riscv.vector" in gdb(port, "maint print xml-tdesc", "detach")


def test_gdb_finds_no_vector_registers_where_there_are_none(tmp_path):
    port = free_port()
    options = ["--memory", "64M", "--append", "given", "--gdb", str(port)]
    with Process(tmp_path / "console.log", *options, arch="riscv64", kernel=TOP / "build/riscv64/guests/micro") as process:
        process.expect(r"value 1\r")
        assert "= void\n" in gdb(port, "p $v8", "detach")


@pytest.mark.parametrize("arch,isa", [("x86_64", "riscv64"), ("aarch64", "aarch64")], ids=["translated", "hardware"])
def test_gdb_interrupts_a_guest_over_the_second_serial_port(boot, arch, isa):
    """A guest that waits for gdb from its first instruction on; Ctrl-C stops it while it runs, detaching lets it go on."""
    port = free_port()
    config = (f"[host]\nconfig = 1\n\n[vm g]\narch = {isa}\nmemory = 64M\nkernel = ennead/micro\n"
              "cmdline = clock period=20\ngdb = wait\n")
    machine = boot(arch, config, [("ennead/micro", TOP / f"build/{isa}/guests/micro")], memory=1024, acpi=arch == "x86_64",
                   debug_serial=f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on")
    machine.expect("g: started on ")
    machine.prompt()
    debugger = pexpect.spawn("gdb-multiarch", ["-nx", "-q", "-ex", "set confirm off", "-ex", "set style enabled off"], encoding="utf-8", timeout=120)
    debugger.expect_exact("(gdb) ")

    def ask(command):
        debugger.sendline(command)
        debugger.expect_exact("(gdb) ")
        return debugger.before

    assert "0x" in ask(f"target remote 127.0.0.1:{port}")
    begin = int(re.search(r"= (0x[0-9a-f]+)", ask("p/x $pc"))[1], 16)
    assert "vCPU 0" in ask("info threads")
    ask("stepi")
    assert int(re.search(r"= (0x[0-9a-f]+)", ask("p/x $pc"))[1], 16) != begin
    machine.child.send("vm console g\r")
    debugger.sendline("continue")
    debugger.expect("Continuing")
    for _ in range(3):
        machine.expect(r"clock \d+ ms")
    debugger.sendintr()
    debugger.expect("SIGINT")
    debugger.expect_exact("(gdb) ")
    assert ask("p $pc").startswith("p $pc")
    ask("detach")
    debugger.sendline("quit")
    debugger.expect(pexpect.EOF)
    debugger.close()
    seen = [int(machine.expect(r"clock (\d+) ms").group(1)) for _ in range(20)]
    assert seen[-1] > seen[0]


def test_on_crash_stops_restarts_or_waits_for_a_debugger(boot):
    config = "[host]\nconfig = 1\n" + "".join(
        f"\n[vm {what}]\nmemory = 64M\nkernel = ennead/micro\ncmdline = crash\nautostart = no\non_crash = {what}\n"
        for what in ("stop", "restart", "debug"))
    machine = boot("x86_64", config, [("ennead/micro", TOP / "build/x86_64/guests/micro")], memory=1024)
    machine.prompt()
    machine.child.send("vm start stop\r")
    machine.expect("stop: triple fault")
    machine.child.send("vm start restart\r")
    for _ in range(3):
        machine.expect("restart: triple fault")
        machine.expect("restart: started on svm")
    machine.child.send("vm destroy restart\r")
    machine.expect("restart is stopped")
    machine.child.send("vm start debug\r")
    machine.expect("it is held for a debugger")
    machine.child.send("\r")
    machine.prompt()
    states = dict(line.split()[:2] for line in machine.run("vm list").splitlines()[1:4])
    assert states == {"stop": "failed", "restart": "stopped", "debug": "running"}
    assert "last exit fatal" in machine.run("vm crash restart")  # kept over the restarts
    crashed = int(re.search(r"PC 0x([0-9a-f]+)", machine.run("vm crash debug"))[1], 16)
    said = serve(machine, "debug", "info program", f"p $pc == {crashed:#x}", "x/i $pc", "kill")
    assert "SIGABRT" in said and "= 1\n" in said, said
