# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Emulated hosts for the boot tests: a machine is booted from an image, its serial port driven by pexpect."""
import pathlib
import re
import subprocess
import sys
import tempfile

import pexpect
import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools"))
import qemu  # noqa: E402

PROMPT = "ennead> "
GUEST_PROMPT = "guest# "
EFI = {"x86_64": "BOOTX64.EFI", "aarch64": "BOOTAA64.EFI", "riscv64": "BOOTRISCV64.EFI"}
CONSOLE = {"x86_64": "ttyS0", "aarch64": "ttyAMA0", "riscv64": "ttyS0"}
ENGINE = {"x86_64": "svm", "aarch64": "el2", "riscv64": "hext"}
ARCHES = sorted(EFI)
ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]")


def plain(text):
    """`text` without what only moves the cursor."""
    return ESCAPES.sub("", text).replace("\r", "")


def make_image(path, arch, config, files=(), build=""):
    """An image of `arch` with the text `config` as ennead.ini and `files` (ESP path, file); `build`: debug, signed."""
    build = TOP / "build" / arch / build
    ini = path.with_suffix(".ini")
    ini.write_text(config, encoding="utf-8")
    command = [sys.executable, TOP / "tools/image.py", path, f"EFI/BOOT/{EFI[arch]}={build / EFI[arch]}",
               f"ennead/ennead.ini={ini}"] + [f"{name}={file}" for name, file in files]
    subprocess.run(command, check=True, cwd=TOP)
    return path


class Console:
    """The serial port of a machine: `child` is pexpect's, `log` the file that gets all that it says."""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.child.close(force=True)
        self.log.close()

    def expect(self, pattern, timeout=-1):
        self.child.expect(pattern, timeout=timeout)
        return self.child.match

    def prompt(self, timeout=-1):
        """Everything up to the monitor's prompt, without escape sequences."""
        self.child.expect_exact(PROMPT, timeout=timeout)
        return plain(self.child.before)

    def run(self, command, timeout=-1):
        """One monitor command; its output without the echo."""
        self.child.send(command + "\r")
        line = None
        while command.isprintable() and not (line or "").endswith(command):
            # A log line may come in between: then what was typed so far is drawn again below it.
            self.child.expect_exact("\n", timeout=timeout)
            line = plain(self.child.before)
        text = self.prompt(timeout)
        return text if line else text.split("\n", 1)[-1]

    def guest(self, command, timeout=-1):
        """One shell command of the guest whose console is attached; its output without the echo."""
        self.child.send(command + "\r")
        self.child.expect_exact(GUEST_PROMPT, timeout=timeout)
        return plain(self.child.before).split("\n", 1)[-1].rstrip("\n")


class Machine(Console):
    """One booted host; a context manager that ends QEMU."""

    def __init__(self, log, timeout=120, **host):
        self.sockets = tempfile.TemporaryDirectory(prefix="ennead-")  # a socket's path has 107 bytes at most
        self.host = qemu.Host(qmp=self.sockets.name + "/qmp", log=str(log.with_suffix(".command")), **host)
        command = self.host.command() + self.host.serials()
        self.log = open(log, "w", encoding="utf-8")
        self.child = pexpect.spawn(command[0], command[1:], encoding="utf-8", codec_errors="replace",
                                   timeout=timeout, echo=False)
        self.child.logfile_read = self.log

    def __exit__(self, *unused):
        super().__exit__()
        self.sockets.cleanup()

    def wait_end(self, timeout=60):
        """QEMU's exit status once the host has switched itself off."""
        self.child.expect(pexpect.EOF, timeout=timeout)
        self.child.close()
        return self.child.exitstatus


class Process(Console):
    """A translated guest as a Linux process: build/hosted/ennead run."""

    shell = Console.guest

    def __init__(self, log, *options, arch="riscv64", kernel=None):
        """Debian's kernel and initial RAM disk, or `kernel` alone."""
        folder = TOP / "build/guest" / arch
        files = ["--kernel", str(kernel or folder / "kernel"), *([] if kernel else ["--initrd", str(folder / "initrd")])]
        self.log = log.open("w", encoding="utf-8")
        self.child = pexpect.spawn(str(TOP / "build/hosted/ennead"), ["run", "--arch", arch, *files, *options],
                                   encoding="utf-8", codec_errors="replace", timeout=400)
        self.child.logfile_read = self.log


@pytest.fixture
def boot(tmp_path, request):
    """boot(arch, config="...", files=..., **host) starts a machine that is ended with the test."""
    machines = []
    logs = TOP / "build/tests"
    logs.mkdir(parents=True, exist_ok=True)

    def start(arch, config="[host]\nconfig = 1\n", files=(), build="", timeout=120, **host):
        test = f"{request.node.path.stem}-{request.node.name}".replace("test_", "")
        name = re.sub(r"[^A-Za-z0-9]+", "-", test)
        image = make_image(tmp_path / f"{len(machines)}.img", arch, config, files, build)
        request.node.user_properties.append(("host", arch))  # for tools/support.py
        machine = Machine(logs / f"{name}-{len(machines)}.log", timeout, arch=arch, image=str(image), **host)
        machines.append(machine)
        return machine

    yield start
    for machine in machines:
        machine.__exit__()


def held_memory(machine):
    """Objects of the heap, their bytes, and the hypervisor's bytes beside it. What the heap itself has reserved depends on
    which slabs the CPUs' lists of free objects lie in."""
    text = machine.run("mem")
    objects, used, reserved = map(int, re.search(r"heap: (\d+) objects, (\d+) bytes used of (\d+)", text).groups())
    return objects, used, int(re.search(r"hypervisor memory: (\d+) bytes", text)[1]) - reserved


def guest_files(arch):
    return [(f"ennead/{arch}/{name}", TOP / f"build/guest/{arch}/{name}") for name in ("kernel", "initrd")]


def guest_config(arch, extra=""):
    return (f"[host]\nconfig = 1\nconsole = {arch}\n\n[vm {arch}]\nmemory = 256M\n"
            f"kernel = ennead/{arch}/kernel\ninitrd = ennead/{arch}/initrd\n"
            f"cmdline = console={CONSOLE[arch]}\n{extra}")
