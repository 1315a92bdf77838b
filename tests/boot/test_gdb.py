# SPDX-License-Identifier: BSD-2-Clause-Patent
"""gdb-multiarch on guests: a Debian kernel translated in the hosted program, small guests on the hardware."""
import gzip
import os
import re
import select
import socket
import subprocess
import threading

import pexpect
import pytest

from conftest import ARCHES, GUEST_PROMPT, TOP, guest_config, guest_files

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
                    sent = there.recv(4096)
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


def member(initrd, name):
    """A file of an initial RAM disk (cpio's newc: 13 fields of eight hexadecimal digits behind the magic number)."""
    data, at = gzip.decompress(initrd.read_bytes()), 0
    while data[at:at + 6] == b"070701":
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        size, length = fields[6], fields[11]
        begin = at + 110 + length + -(110 + length) % 4
        if data[at + 110:at + 110 + length - 1].decode().lstrip("./") == name:
            return data[begin:begin + size]
        at = begin + size + -size % 4
    raise KeyError(name)


@pytest.mark.parametrize("arch", ["x86_64"])
def test_gdb_debugs_debian_and_its_processes(boot, tmp_path, arch):
    """Stock Debian: a function by the address that the guest's own kallsyms says, with its argument; then code of a process."""
    machine = boot(arch, guest_config(arch).replace("console=", "quiet console="), guest_files(arch), memory=1024)
    machine.expect("Ennead guest ready", timeout=300)
    machine.child.expect_exact(GUEST_PROMPT)
    function = re.search(r"^([0-9a-f]{16}) ", machine.guest("grep ' do_sys_openat2$' /proc/kallsyms"), re.M)[1]
    machine.guest("while :; do cat /proc/version; done >/dev/null &")
    machine.child.send("\x1d")
    machine.prompt()
    said = serve(machine, arch, f"hbreak *0x{function}", "continue", f"x/s ${SECOND_ARGUMENT[arch]}", "continue",
                 f"x/s ${SECOND_ARGUMENT[arch]}", "delete", "detach")
    assert said.count(f"0x{function} in ?? ()") >= 2 and '"/proc/version"' in said, said

    machine.child.send(f"vm console {arch}\r")
    machine.guest("kill $!; sleep 1; while :; do :; done &")
    machine.child.send("\x1d")
    machine.prompt()
    here = 1 << 63
    while here >> 47:  # the kernel's: an interrupt had come
        here = int(re.search(r"= (0x[0-9a-f]+)", serve(machine, arch, "p/x $pc", "detach"))[1], 16)
    code = tmp_path / "code"
    said = serve(machine, arch, f"hbreak *{here:#x}", "continue", f"p $pc == {here:#x}", "stepi", "set $next = $pc", "delete",
                 "break *$next", "continue", "p $pc == $next", "delete", f"dump binary memory {code} {here} {here + 24}", "detach")
    assert said.count("= 1\n") == 2, said
    assert code.read_bytes() in member(TOP / f"build/guest/{arch}/initrd", "bin/busybox")


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
