#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Measure and print a table; write build/bench.json: one object, names to numbers.

    bench.py [--arch ARCH] [--item NAME] [--kernel FILE] [--initrd FILE] [--log FOLDER]

--arch all (the default) measures every host. --item takes a name or the part before its dot. An item that fails is left out, said, and makes
the exit status 1. Command lines and serial logs stay in the log folder.
"""
import argparse
import contextlib
import json
import mmap
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

import pexpect
import pexpect.fdpexpect

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "tests/boot"), str(TOP / "tools")]
from conftest import ARCHES, CONSOLE, EFI, ENGINE, GUEST_PROMPT, Machine, make_image  # noqa: E402
from debugging import DebugItems  # noqa: E402
from devices import DeviceItems  # noqa: E402
from everyday import EverydayItems  # noqa: E402
import bochs  # noqa: E402
import qemu  # noqa: E402
import test_check  # noqa: E402

GOALS = {
    "efi_size": 2 << 20, "boot_to_prompt_instructions": 30_000_000, "hypervisor_memory": 8 << 20,
    "hypervisor_memory_1t": 48 << 20, "page_alloc_instructions": 150, "page_alloc_shared_locks": 1,
    "guest_boot_ratio.svm": 1.30, "guest_boot_ratio.el2": 1.25, "guest_boot_ratio.hext": 1.30,
    "hypercall_instructions.svm": 350, "hypercall_instructions.el2": 250, "hypercall_instructions.hext": 250,
    "mmio_exit_instructions.svm": 1200, "mmio_exit_instructions.el2": 700, "mmio_exit_instructions.hext": 700,
    "hypercall_instructions.vmx": 400, "guest_boot_ratio.vmx": 1.30, "vmx_test_minutes": 15,
    "ipi_instructions": 2500, "vm_overhead": 1 << 20, "vm_start_instructions": 5_000_000, "dbt_shadow_fault_instructions": 1500,
    "guest_compute_ratio.svm": 1.05, "guest_compute_ratio.el2": 1.10, "guest_compute_ratio.hext": 1.15,
    "guest_os_ratio.svm": 1.3, "guest_os_ratio.el2": 1.2, "guest_os_ratio.hext": 1.6,
    "blk_exits_per_request": 0.5, "trace_event_instructions": 60, "run_to_native_shells_s": 60, "run_to_shells_s": 300,
}
# Of these as much as possible.
LEAST = {"config_mistakes_found": 20, "gdb_steps_per_s": 100, "blk_read_vs_copy": 0.5, "net_vs_loopback": 0.4, "net_symmetry": 0.8}
# What others do in the same place: Linux's KVM, and Xvisor on riscv64.
PEERS = {
    "hypercall_instructions.svm": "KVM 2,532", "hypercall_instructions.el2": "KVM 1,345",
    "hypercall_instructions.hext": "KVM 967, Xvisor 739",
    "mmio_exit_instructions.svm": "KVM 1,365", "mmio_exit_instructions.el2": "KVM 2,185",
    "ipi_instructions.el2": "KVM 5,147",
    "guest_compute_ratio.svm": "KVM 1.16", "guest_compute_ratio.el2": "KVM 1.33",
    "guest_compute_ratio.hext": "KVM 1.43, Xvisor 1.82",
    "guest_os_ratio.svm": "KVM 1.55", "guest_os_ratio.el2": "KVM 1.37", "guest_os_ratio.hext": "KVM 2.0, Xvisor 3.3",
}
# What the shell of a Debian guest runs for the ratios: calculation; then processes, pipes and signals.
COMPUTE = [
    "dd if=/dev/zero bs=64k count=256 2>/dev/null | sha256sum",
    "awk 'BEGIN { for (i = 0; i < 400000; i++) s += i * i % 7; print s }'",
    "seq 60000 | gzip | gunzip | md5sum",
    "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; echo $i",
]
SYSTEM = [
    "i=0; while [ $i -lt 300 ]; do /bin/busybox true; i=$((i+1)); done; echo $i",  # fork, exec, page faults
    "i=0; while [ $i -lt 300 ]; do (:); i=$((i+1)); done; echo $i",
    "dd if=/dev/zero bs=64 count=20000 2>/dev/null | dd bs=64 of=/dev/null 2>&1 | tail -n 1 | cut -c1-8",  # pipe
    "n=0; trap 'n=$((n+1))' USR1; i=0; while [ $i -lt 5000 ]; do kill -USR1 $$; i=$((i+1)); done; echo $n",
]
PLAIN = "[host]\nconfig = 1\n"


def memory_use(machine):
    return int(re.search(r"hypervisor memory: (\d+) bytes", machine.run("mem"))[1])


class Bench(DeviceItems, DebugItems, EverydayItems):
    def __init__(self, options):
        self.options = options
        self.log = pathlib.Path(options.log).resolve()  # Bochs runs in a folder of its own
        self.log.mkdir(parents=True, exist_ok=True)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="ennead-bench-"))
        self.guest = {a: (options.kernel or TOP / f"build/guest/{a}/kernel",
                          options.initrd or TOP / f"build/guest/{a}/initrd") for a in ARCHES}

    def machine(self, name, arch, config=PLAIN, files=(), **host):
        image = make_image(self.scratch / f"{name}.img", arch, config, files)
        return Machine(self.log / f"{name}.log", 600, arch=arch, image=str(image), **host)

    # --- items: each yields (name, value) pairs ---

    def efi_size(self, arch):
        yield f"efi_size.{arch}", (TOP / f"build/{arch}" / EFI[arch]).stat().st_size

    def boot_to_prompt_instructions(self, arch):
        with self.machine(f"prompt-{arch}", arch, memory=512, icount=True) as machine:
            machine.prompt()
            yield (f"boot_to_prompt_instructions.{arch}",
                   int(re.search(r"boot to prompt: (\d+) ns", machine.run("log"))[1]))

    def hypervisor_memory(self, arch):
        with self.machine(f"memory-{arch}", arch, memory=512, icount=True) as machine:
            machine.prompt()
            yield f"hypervisor_memory.{arch}", memory_use(machine)

    def hypervisor_memory_1t(self, arch):
        large = ("-object", f"memory-backend-ram,id=ram,size={1 << 40},reserve=off")
        cpu = {"x86_64": "max,phys-bits=42"}.get(arch)
        with self.machine(f"memory-1t-{arch}", arch, memory=1 << 20, cpus=64, cpu=cpu, extra=large, storage="virtio",
                          machine_options="memory-backend=ram") as machine:
            machine.prompt()
            yield f"hypervisor_memory_1t.{arch}", memory_use(machine)

    def page_alloc(self, _arch):
        text = subprocess.run([TOP / "build/hosted/page_alloc_bench", "--counted"], check=True, capture_output=True,
                              text=True).stdout
        (self.log / "page_alloc.log").write_text(text, encoding="utf-8")
        for name in ("page_alloc_instructions", "page_alloc_shared_locks"):
            yield name, float(re.search(rf"{name}\s+([\d.]+)", text)[1])

    def trace_event_instructions(self, _arch):
        text = subprocess.run([TOP / "build/hosted/trace_bench", "--counted"], check=True, capture_output=True, text=True).stdout
        yield "trace_event_instructions", float(re.search(r"trace_event_instructions\s+([\d.]+)", text)[1])

    def config_mistakes_found(self, _arch):
        """Of the mistakes of tests/boot/mistakes.ini, those that are reported with their line and what is expected."""
        _, reports = test_check.check(test_check.MISTAKES)
        expected = test_check.expected_mistakes()
        yield "config_mistakes_found", sum(bool(re.search(text, reports.get(line, ""))) for line, text in expected.items())

    def guest_boot_ratio(self, arch):
        """Executed instructions between the kernel's first line and init's, in the guest and straight on QEMU."""
        inside = self.count_boot(arch, self.machine_with_guest)
        straight = self.count_boot(arch, self.machine_straight)
        yield f"guest_boot_instructions.{ENGINE[arch]}", inside
        yield f"guest_boot_instructions_straight.{arch}", straight
        yield f"guest_boot_ratio.{ENGINE[arch]}", round(inside / straight, 3)

    EARLY = {"x86_64": "earlycon=uart8250,io,0x3f8", "aarch64": "earlycon=pl011,0x9000000",
             "riscv64": "earlycon=uart8250,mmio,0x10000000"}

    def cmdline(self, arch):
        return f"console={CONSOLE[arch]} {self.EARLY[arch]}"

    def machine_with_guest(self, arch, extra):
        kernel, initrd = self.guest[arch]
        config = (f"{PLAIN}console = g\n\n[vm g]\nmemory = 256M\nkernel = k\ninitrd = i\ncmdline = {self.cmdline(arch)}\n")
        return self.machine(f"guest-{arch}", arch, config, [("k", kernel), ("i", initrd)], memory=1024, extra=extra)

    def machine_straight(self, arch, extra):
        kernel, initrd = self.guest[arch]
        machine = {"aarch64": "virt,gic-version=3"}.get(arch)
        extra += ("-initrd", str(initrd), "-append", self.cmdline(arch))
        host = qemu.Host(arch=arch, machine=machine, kernel=str(kernel), memory=256, display=False)
        # Straight on QEMU there is no firmware of ours in between: its own minimal one loads the kernel.
        command = [a for a in host.command()]
        drop = [i for i, a in enumerate(command) if a.startswith("if=pflash")]
        command = [a for i, a in enumerate(command) if i not in drop and i + 1 not in drop]
        return command + list(extra) + ["-serial", "stdio"]

    def count_boot(self, arch, how):
        plugin = self.plugin()
        count = self.scratch / "count"
        count.write_bytes(bytes(8))
        extra = ("-plugin", f"{plugin},count={count}")
        with open(count, "r+b") as file, contextlib.ExitStack() as stack:
            counter = mmap.mmap(file.fileno(), 8)
            child = how(arch, extra)
            if isinstance(child, list):
                log = stack.enter_context(open(self.log / f"straight-{arch}.log", "w", encoding="utf-8"))
                (self.log / f"straight-{arch}.command").write_text(" ".join(child) + "\n", encoding="utf-8")
                child = pexpect.spawn(child[0], child[1:], encoding="utf-8", codec_errors="replace", timeout=600)
                child.logfile_read = log
                stack.callback(child.close, force=True)
            else:
                child = stack.enter_context(child).child
            child.expect("Linux version")
            start = struct.unpack("Q", counter[:8])[0]
            child.expect("Run /init as init process")
            return struct.unpack("Q", counter[:8])[0] - start

    # --- CPU time of programs in a guest and straight on QEMU ---

    def straight_shell(self, arch, stack):
        command = self.machine_straight(arch, ())
        child = pexpect.spawn(command[0], command[1:], encoding="utf-8", codec_errors="replace", timeout=600, echo=False)
        stack.callback(child.close, force=True)
        child.logfile_read = stack.enter_context(open(self.log / f"straight-shell-{arch}.log", "w", encoding="utf-8"))
        return child

    def cpu_time(self, child, command):
        """Nanoseconds of CPU time that QEMU takes for one command of the shell."""
        def used():
            return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{child.pid}/task").glob("*/schedstat"))
        before = used()
        child.send(command + "\r")
        child.expect("\r\n")
        child.expect_exact(GUEST_PROMPT)
        return used() - before

    def programs_ratio(self, arch, commands):
        """The least of three runs of each command, in turn in the guest and straight; both after a first one."""
        with contextlib.ExitStack() as stack:
            inside = stack.enter_context(self.machine_with_guest(arch, ())).child
            straight = self.straight_shell(arch, stack)
            least = {inside: 0, straight: 0}
            for child in least:
                child.expect("Ennead guest ready")
                child.expect_exact(GUEST_PROMPT)
            for command in commands:
                runs = [{child: self.cpu_time(child, command) for child in least} for _ in range(4)][1:]
                for child in least:
                    least[child] += min(run[child] for run in runs)
            return round(least[inside] / least[straight], 3)

    def guest_compute_ratio(self, arch):
        yield f"guest_compute_ratio.{ENGINE[arch]}", self.programs_ratio(arch, COMPUTE)

    def guest_os_ratio(self, arch):
        yield f"guest_os_ratio.{ENGINE[arch]}", self.programs_ratio(arch, SYSTEM)

    # --- exits, counted by the micro-guest ---

    def micro(self, arch, name, what, cpus=1, vcpus=1, isa=None, extra=""):
        """What the bench of the micro-guest says of `what`: executed instructions of all host CPUs, guest included."""
        config = f"{PLAIN}console = g\n\n[vm g]\nmemory = 64M\ncpus = {vcpus}\nkernel = micro\ncmdline = bench {what}\narch = {isa or 'host'}\n{extra}"
        files = [("micro", TOP / f"build/{isa or arch}/guests/micro")]
        with self.machine(f"{name}-{arch}", arch, config, files, memory=1024, cpus=cpus, icount=True) as machine:
            found = machine.expect(rf"\b{what} instructions ([0-9.]+)\s|(not ok [^\n]*|# done)")
            if not found[1]:
                raise RuntimeError(f"the micro-guest says: {found[2]}")
            return float(found[1])

    def hypercall_instructions(self, arch):
        yield f"hypercall_instructions.{ENGINE[arch]}", self.micro(arch, "hypercall", "hypercall")

    def dbt_shadow_fault_instructions(self, arch):
        """A store to a page that the software TLB does not know either, less the same once it is mapped."""
        for isa in ["riscv64", "aarch64"] if arch == "x86_64" else []:
            yield f"dbt_shadow_fault_instructions.{isa}", self.micro(arch, f"shadow-{isa}", "shadow", isa=isa, extra="engine = jit\nmmu = page-table\n")

    # --- VT-x, in Bochs, whose time stamps count instructions (and what a halted CPU waits) ---

    def bochs(self, stack, name, files, **pc):
        """A PC that starts from a stick with `files`; its serial port."""
        folder = self.scratch / name
        folder.mkdir()
        image = folder / "image"
        if "startup.nsh" in dict(files):
            subprocess.run([sys.executable, TOP / "tools/image.py", image] + [f"{a}={b}" for a, b in files], check=True)
        else:
            make_image(image, "x86_64", dict(files).pop("config"), [f for f in files if f[0] != "config"])
        machine = bochs.Pc(image, folder, log=self.log / f"{name}.bochs.log", **pc)
        machine.start()
        stack.callback(machine.stop)
        serial = pexpect.fdpexpect.fdspawn(machine.serial, encoding="utf-8", codec_errors="replace", timeout=600)
        serial.logfile_read = stack.enter_context(open(self.log / f"{name}.log", "w", encoding="utf-8"))
        return serial

    def hypercall_instructions_vmx(self, _arch):
        """At 10^9 instructions a second the micro-guest's nanoseconds are instructions."""
        config = f"{PLAIN}console = g\n\n[vm g]\nmemory = 64M\nkernel = micro\ncmdline = bench hypercall\n"
        with contextlib.ExitStack() as stack:
            serial = self.bochs(stack, "hypercall-vmx", [("config", config), ("micro", TOP / "build/x86_64/guests/micro")],
                                ips=10 ** 9)
            serial.expect(r"\bhypercall instructions ([0-9.]+)\s")
            yield "hypercall_instructions.vmx", float(serial.match[1])

    # Bochs sends each character as slowly as the line is: the kernel says little. What CPUID tells of the TSC is not what
    # the TSC does there.
    BOCHS_IPS = 10 ** 8
    BOCHS_CMDLINE = f"console=ttyS0,115200 loglevel=6 tsc_early_khz={BOCHS_IPS // 1000} rdinit=/bin/echo -- init runs"

    def guest_boot_ratio_vmx(self, _arch):
        """Bochs' count between the kernel's first line and init's, in the guest and started by the firmware's shell."""
        kernel, initrd = self.guest["x86_64"]
        config = f"{PLAIN}console = g\n\n[vm g]\nmemory = 256M\nkernel = k\ninitrd = i\ncmdline = {self.BOCHS_CMDLINE}\n"
        start = self.scratch / "startup.nsh"
        start.write_text(f"@echo -off\r\nfs0:\r\nk.efi initrd=\\i {self.BOCHS_CMDLINE}\r\n", encoding="utf-8")
        inside = self.bochs_boot("guest-vmx", [("config", config), ("k", kernel), ("i", initrd)], 512)
        straight = self.bochs_boot("straight-vmx", [("startup.nsh", start), ("k.efi", kernel), ("i", initrd)], 256)
        yield "guest_boot_instructions.vmx", inside
        yield "guest_boot_instructions_straight.bochs", straight
        yield "guest_boot_ratio.vmx", round(inside / straight, 3)

    def bochs_boot(self, name, files, memory):
        with contextlib.ExitStack() as stack:
            serial = self.bochs(stack, name, files, ips=self.BOCHS_IPS, memory=memory, debug="serial")
            if serial.expect(["any other key", "\ninit runs"]) == 0:
                serial.send("\r")  # no need to wait
                serial.expect("\ninit runs")  # the command line says it too
        return self.bochs_span(self.log / f"{name}.bochs.log", "Linux version", "\ninit runs")

    @staticmethod
    def bochs_span(log, first, last):
        """Between the first characters of two texts that went through the serial port."""
        sent = re.findall(r"([0-9]+)d\[[^]]*\] com1: write: '(.)'", log.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
        text = "".join(c for _, c in sent)
        return int(sent[text.rindex(last)][0]) - int(sent[text.index(first)][0])

    def vmx_test_minutes(self, _arch):
        """Wall time of the tests in Bochs, those of SVM's `ryzen` included."""
        subprocess.run(["make", "--no-print-directory", "kernel", "ARCH=x86_64", "DEBUG=1"], check=True, cwd=TOP)
        with open(self.log / "vmx-tests.log", "w", encoding="utf-8") as log:
            start = time.monotonic()
            subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/boot/test_bochs.py"], check=True,
                           cwd=TOP, stdout=log)
        yield "vmx_test_minutes", round((time.monotonic() - start) / 60, 1)

    def mmio_exit_instructions(self, arch):
        yield f"mmio_exit_instructions.{ENGINE[arch]}", self.micro(arch, "mmio", "mmio")

    def ipi_instructions(self, arch):
        """From sending to the receiver's handler; also with both vCPUs on one host CPU, which switches between them."""
        yield f"ipi_instructions.{ENGINE[arch]}", self.micro(arch, "ipi", "ipi", cpus=2, vcpus=2)
        yield f"ipi_shared_instructions.{ENGINE[arch]}", self.micro(arch, "ipi-shared", "ipi", cpus=1, vcpus=2)

    def vm_overhead(self, arch):
        """Bytes of the host's memory that a guest of 1 vCPU and 256 MiB takes beside its own, from 16 MiB on all touched."""
        config = f"{PLAIN}\n[vm g]\nmemory = 256M\nkernel = micro\ncmdline = clock touch from={16 << 20} to={254 << 20}\n" \
                 "autostart = no\n"
        files = [("micro", TOP / f"build/{arch}/guests/micro")]
        with self.machine(f"overhead-{arch}", arch, config, files, memory=1024, icount=True) as machine:
            machine.prompt()
            before = self.free_kib(machine)
            machine.run("vm start g")
            machine.child.send("vm console g\r")
            machine.expect("clock [0-9]+ ms")
            machine.child.send("\x1d")
            machine.prompt()
            after = self.free_kib(machine)
            own = int(re.search(r"memory in use: (\d+) KiB", machine.run("vm stats g"))[1])
            yield f"vm_overhead.{ENGINE[arch]}", (before - after - own) * 1024

    @staticmethod
    def free_kib(machine):
        return int(re.search(r"KiB in all, (\d+) KiB free", machine.run("mem"))[1])

    def vm_start_instructions(self, arch):
        """From the command to the first entry, 256 MiB, Debian's kernel; without copying and zeroing guest memory."""
        kernel, initrd = self.guest[arch]
        config = f"{PLAIN}\n[vm g]\nmemory = 256M\nkernel = k\ninitrd = i\ncmdline = {self.cmdline(arch)}\nautostart = no\n"
        with self.machine(f"start-{arch}", arch, config, [("k", kernel), ("i", initrd)], memory=1024,
                          icount=True) as machine:
            machine.prompt()
            machine.run("vm start g")
            whole, bulk = re.search(r"start: (\d+) ns to the first entry, (\d+) ns of them",
                                    machine.run("vm stats g")).groups()
            yield f"vm_start_instructions.{ENGINE[arch]}", int(whole) - int(bulk)
            yield f"vm_start_bulk_instructions.{ENGINE[arch]}", int(bulk)

    def plugin(self):
        library = TOP / "build/hosted/count_plugin.so"
        library.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden", "-o", library,
                        TOP / "tests/bench/count_plugin.c"], check=True)
        return library

    def run(self):
        results, failures = {}, []
        arches = ARCHES if self.options.arch == "all" else [self.options.arch]
        items = [(self.efi_size, arches), (self.boot_to_prompt_instructions, arches), (self.hypervisor_memory, arches),
                 (self.hypervisor_memory_1t, arches), (self.page_alloc, ["x86_64"]), (self.config_mistakes_found, ["x86_64"]), (self.trace_event_instructions, ["x86_64"]), (self.gdb_steps_per_s, ["x86_64", "aarch64"]), (self.run_to_shells_s, ["x86_64"]),
                 (self.guest_boot_ratio, arches),
                 (self.hypercall_instructions, arches), (self.hypercall_instructions_vmx, ["x86_64"]),
                 (self.guest_boot_ratio_vmx, ["x86_64"]), (self.vmx_test_minutes, ["x86_64"]), (self.mmio_exit_instructions, arches), (self.ipi_instructions, arches), (self.dbt_shadow_fault_instructions, ["x86_64"]),
                 (self.vm_overhead, arches), (self.vm_start_instructions, arches),
                 (self.guest_compute_ratio, arches), (self.guest_os_ratio, arches),
                 (self.blk_exits_per_request, arches), (self.blk_read_vs_copy, arches), (self.net_vs_loopback, arches)]
        for item, hosts in items:
            for arch in hosts:
                wanted = self.options.item
                if wanted and wanted.split(".")[0] not in (item.__name__, item.__name__.removesuffix("_vmx"), item.__name__ + "_instructions",
                                                           item.__name__ + "_shared_locks"):
                    continue
                try:
                    for name, value in item(arch):
                        results[name] = value
                        goal = GOALS.get(name, GOALS.get(name.split(".")[0]))
                        least = LEAST.get(name.split(".")[0])
                        print(f"{name:45} {value:>16,}" + (f"   at most {goal:,}" if goal else "")
                              + (f"   at least {least:,}" if least else "")
                              + (f"   ({PEERS[name]})" if name in PEERS else ""), flush=True)
                except Exception as error:  # an item that fails must not hide the others
                    failures.append(f"{item.__name__} on {arch}")
                    print(f"{item.__name__} on {arch}: failed: {str(error).splitlines()[0]}", flush=True)
        return results, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=ARCHES + ["all"], default="all")
    parser.add_argument("--item")
    parser.add_argument("--kernel", type=pathlib.Path)
    parser.add_argument("--initrd", type=pathlib.Path)
    parser.add_argument("--log", default=TOP / "build/bench")
    options = parser.parse_args()
    results, failures = Bench(options).run()
    output = TOP / "build/bench.json"
    if options.item and output.exists():
        results = json.loads(output.read_text(encoding="utf-8")) | results
    output.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
