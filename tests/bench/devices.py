# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Benchmarks of devices, in Debian guests on one host CPU where an instruction is a nanosecond: a class that bench.py's inherits."""
import re
import subprocess

from conftest import CONSOLE, ENGINE, GUEST_PROMPT, TOP

PLAIN = "[host]\nconfig = 1\n"
BLOCK_MIB = 128
BLOCK_REQUESTS = 8192
NET_SECONDS = 1


class DeviceItems:
    def initrd_with(self, arch, name, archives=(), programs=()):
        """The guests' initial RAM disk, with cpio archives and programs (into /bin) appended."""
        data = self.guest[arch][1].read_bytes()
        if programs:
            root = self.scratch / f"{name}-{arch}-root"
            (root / "bin").mkdir(parents=True, exist_ok=True)
            for program in programs:
                target = root / "bin" / program.name
                target.write_bytes(program.read_bytes())
                target.chmod(0o755)
            listing = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
            data += bytes(-len(data) % 4) + subprocess.run(
                ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=listing.encode(), check=True,
                capture_output=True).stdout
        for archive in archives:
            data += bytes(-len(data) % 4) + archive.read_bytes()
        path = self.scratch / f"{name}-{arch}.initrd"
        path.write_bytes(data)
        return path

    # --- block: a disk in memory, 32 requests on their way ---

    @staticmethod
    def exits(machine, name):
        """Of all vCPUs, all reasons; in the monitor."""
        text = machine.run(f"vm stats {name}")
        return sum(int(n) for n in re.findall(r"^  \S.{11} +(\d+) +\d+ us", text, re.M)), text

    @staticmethod
    def load(machine, command):
        """Requests and nanoseconds of one run of block_load."""
        text = machine.guest(f"block_load {command}")
        found = re.search(r"block_load: (\d+) requests, (\d+) ns", text)
        if not found:
            raise RuntimeError(f"block_load {command}: {text}")
        return int(found[1]), int(found[2])

    @staticmethod
    def leave_console(machine):
        machine.child.send("\x1d")
        machine.prompt()

    def enter_console(self, machine, name):
        machine.child.send(f"vm console {name}\r")
        machine.expect("returns to the monitor")
        self.at_prompt(machine)

    def at_prompt(self, machine):
        """The console shows what it showed before, prompts too: go on behind a word that is new."""
        self.words = getattr(self, "words", 0) + 1
        machine.child.send(f"echo word$(({self.words}+0))\r")
        machine.expect(f"word{self.words}\r")
        machine.child.expect_exact(GUEST_PROMPT)

    def block(self, arch):
        """A guest of 1 GiB with a disk that block_load has filled, at its shell."""
        kernel = self.guest[arch][0]
        initrd = self.initrd_with(arch, "block", programs=[TOP / f"build/{arch}/guests/block_load"])
        config = (f"{PLAIN}console = g\n\n[disk d]\nsize = {BLOCK_MIB}M\n\n[vm g]\nmemory = 1G\nkernel = k\ninitrd = i\n"
                  f"cmdline = console={CONSOLE[arch]}\ndisk = d\n")
        machine = self.machine(f"block-{arch}", arch, config, [("k", kernel), ("i", initrd)], memory=4096, icount=True)
        machine.expect("Ennead guest ready")
        machine.child.expect_exact(GUEST_PROMPT)
        machine.guest("echo none > /sys/block/vda/queue/scheduler")
        self.load(machine, f"fill /dev/vda {BLOCK_MIB}")
        return machine

    def blk_exits_per_request(self, arch):
        """All of the guest's exits while it reads 4 KiB at random places; each request that ends is followed by a new one."""
        with self.block(arch) as machine:
            command = f"random /dev/vda {BLOCK_MIB} {BLOCK_REQUESTS} 32"
            self.load(machine, command)
            self.leave_console(machine)
            before, _ = self.exits(machine, "g")
            self.enter_console(machine, "g")
            requests, ns = self.load(machine, command)
            self.leave_console(machine)
            after, _ = self.exits(machine, "g")
            yield f"blk_exits_per_request.{ENGINE[arch]}", round((after - before) / requests, 3)
            yield f"blk_request_instructions.{ENGINE[arch]}", round(ns / requests)

    def blk_read_vs_copy(self, arch):
        """Reading the disk in order around the page cache, relative to copying as much memory in a program of the guest."""
        with self.block(arch) as machine:
            for _ in range(2):
                read, copy = (self.load(machine, f"{what} {BLOCK_MIB}")[1] for what in ("read /dev/vda", "copy"))
            yield f"blk_read_vs_copy.{ENGINE[arch]}", round(copy / read, 3)

    # --- network ---

    def iperf(self, machine, arguments):
        """Bits a second that arrive."""
        text = machine.guest(f"iperf3 {arguments} -t {NET_SECONDS} -f k")
        found = re.search(r"([\d.]+) Kbits/sec +receiver", text)
        if not found:
            raise RuntimeError(f"iperf3 {arguments}: {text}")
        return float(found[1]) * 1000

    def net(self, arch):
        """Two guests on one network; bits a second inside the first one, from the second to the first, and back."""
        kernel = self.guest[arch][0]
        initrd = self.initrd_with(arch, "net", archives=[TOP / f"build/guest/{arch}/tools.cpio"])
        config = f"{PLAIN}console = a\n\n[network lan]\n"
        for name, own, peer in (("a", 1, 2), ("b", 2, 1)):
            config += (f"\n[vm {name}]\nmemory = 512M\nkernel = k\ninitrd = i\nnet = lan\n"
                       f"cmdline = console={CONSOLE[arch]} ip=10.9.0.{own}:::255.255.255.0:::off peer=10.9.0.{peer}\n")
        with self.machine(f"net-{arch}", arch, config, [("k", kernel), ("i", initrd)], memory=4096, icount=True) as machine:
            machine.expect("Ennead guest guest: 10.9.0.2 answers")
            self.at_prompt(machine)
            machine.guest("iperf3 -s -D")
            self.iperf(machine, "-c 127.0.0.1")
            inside = self.iperf(machine, "-c 127.0.0.1")
            self.leave_console(machine)
            self.enter_console(machine, "b")
            self.iperf(machine, "-c 10.9.0.1")
            there = self.iperf(machine, "-c 10.9.0.1")
            back = self.iperf(machine, "-R -c 10.9.0.1")
            self.leave_console(machine)
            machine.run("vm stats a")
            machine.run("vm stats b")
        return inside, there, back

    def net_vs_loopback(self, arch):
        inside, there, back = self.net(arch)
        yield f"net_loopback_mbits.{ENGINE[arch]}", round(inside / 1e6)
        yield f"net_mbits.{ENGINE[arch]}", round(min(there, back) / 1e6)
        yield f"net_vs_loopback.{ENGINE[arch]}", round(min(there, back) / inside, 3)
        yield f"net_symmetry.{ENGINE[arch]}", round(min(there, back) / max(there, back), 3)
