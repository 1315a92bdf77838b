#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Debian's userland in a translated guest of two CPUs: what it prints has to be what it prints in QEMU's translator.

    userland.py [--arch NAME] [--engine hybrid|jit]... [--mmu soft|page-table|auto] [--cpus N] [--only PART]... [--again]

Each guest starts Debian with systemd from a copy of the same disk up to its login prompt, runs the parts of
tests/userland/files/usr/local/bin/userland one after the other, and switches itself off; its file system is checked then. What QEMU's
guest printed is kept beside the disk; --again asks it anew. The build machine's clock decides nothing but how long to wait.
"""
import argparse
import difflib
import json
import pathlib
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/boot"))

import pexpect  # noqa: E402
from conftest import CONSOLE, GUEST_PROMPT, plain  # noqa: E402

PARTS = {  # by name: the command, of `userland`
    "start": "start",
    "apt": "apt",
    "python numbers": "python test_float test_int test_long test_complex test_math test_cmath test_fractions test_decimal test_statistics test_struct",
    "python threads": "python test_thread test_threading test_threadedtempfile test_queue test_signal test_fork1 test_mmap test_select test_posix test_sched",
    "python language": "python test_exceptions test_generators test_coroutines test_re test_json test_zlib test_hashlib test_array test_memoryview test_gc",
    "openssl": "openssl",
    "zlib": "zlib",
    "gcc": "gcc",
    "perl": "perl opbasic/arith.t op/arith2.t op/64bitint.t op/auto.t op/inc.t op/numconvert.t op/hexfp.t op/sprintf.t op/pack.t op/sort.t op/hash.t"
            " op/closure.t op/fork.t op/alarm.t op/bop.t op/split.t op/sprintf2.t op/infnan.t op/vec.t op/tr.t op/pow.t"
            " re/regexp.t re/pat.t re/subst.t cmd/for.t comp/parser.t io/pipe.t io/tell.t uni/lower.t mro/basic.t",
    "node": "node",
    "java": "java",
    "luajit": "luajit",
    "sbcl": "sbcl",
}


class Guest:
    """Debian's shell in a guest whose disk is a copy; `end` switches it off and checks what it left."""

    def __init__(self, label, command, options):
        self.image = options.here / f"{label}.img"
        subprocess.run(["cp", "--sparse=always", TOP / f"build/guest/{options.arch}/userland.img", self.image], check=True)
        self.log = (options.here / f"{label}.log").open("w", encoding="utf-8")
        self.command = [str(c) for c in command(self.image)]
        self.child = pexpect.spawn(self.command[0], self.command[1:], encoding="utf-8", codec_errors="replace", timeout=options.limit)
        self.child.logfile_read = self.log
        self.child.expect("login: root")
        self.child.expect("Ennead guest ready: Linux")
        self.child.expect_exact(GUEST_PROMPT)
        self.run("stty cols 999")

    def run(self, command):
        self.child.send(command + "\r")
        self.child.expect_exact(GUEST_PROMPT)
        return plain(self.child.before).split("\n", 1)[-1].strip()

    def end(self):
        self.child.send("poweroff\r")
        self.child.expect(pexpect.EOF)
        self.child.close()
        self.log.close()
        checked = subprocess.run(["/sbin/e2fsck", "-fn", self.image], capture_output=True, text=True, check=False)
        self.image.unlink()
        return "clean" if checked.returncode == 0 and self.child.exitstatus == 0 else f"exit {self.child.exitstatus}\n{checked.stdout}"


def ours(options, engine):
    guest = TOP / f"build/guest/{options.arch}"
    return lambda image: [TOP / "build/hosted/ennead", "run", "--arch", options.arch, "--memory", "2G", "--cpus", options.cpus, "--engine", engine,
                          *(["--mmu", options.mmu] if options.mmu else []), "--kernel", guest / "kernel", "--initrd", guest / "initrd",
                          "--append", f"console={CONSOLE[options.arch]} quiet root=/dev/vda", "--disk", image]


def theirs(options):
    guest = TOP / f"build/guest/{options.arch}"
    # A Linux that finds Sv57 uses it, and the Java machine does not start there.
    machine, cpu = ("virt,gic-version=3", "neoverse-n1") if options.arch == "aarch64" else ("virt", "rv64,sv57=off")
    return lambda image: [f"qemu-system-{options.arch}", "-accel", "tcg,thread=multi", "-M", machine, "-cpu", cpu, "-m", "2048", "-smp", options.cpus,
                          "-nographic", "-no-reboot", "-kernel", guest / "kernel", "-initrd", guest / "initrd",
                          "-append", f"console={CONSOLE[options.arch]} quiet root=/dev/vda",
                          "-drive", f"file={image},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d"]


def printed(label, command, options, names, keep=lambda texts: None):
    """By part what this guest printed, and in what state it left its disk; `keep` is called after each part."""
    texts, began = {}, time.monotonic()
    guest = Guest(label, command, options)
    print(f"{label}: {' '.join(guest.command)}\n{label}: login after {time.monotonic() - began:.0f} s", flush=True)
    try:
        for name in names:
            began = time.monotonic()
            texts[name] = guest.run(f"userland {PARTS[name]}")
            print(f"{label}: {name} after {time.monotonic() - began:.0f} s", flush=True)
            keep(texts)
        texts["disk"] = guest.end()
    finally:
        guest.child.close(force=True)
    return texts


def by_qemu(options, names):
    """What is right, by part: kept for one version of the disk, and of the part's command; and whether each boot left its disk clean."""
    kept = options.here / "qemu.json"
    disk = (TOP / f"build/guest/{options.arch}/userland.img").stat().st_mtime_ns
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() and not options.again else {}
    known = known if known.get("disk") == disk else {"disk": disk, "commands": {}, "left": []}
    missing = [name for name in names if PARTS[name] not in known["commands"]]

    def keep(texts):
        known["commands"] |= {PARTS[name]: text for name, text in texts.items() if name in PARTS}
        kept.write_text(json.dumps(known, indent=1), encoding="utf-8")

    if missing:
        known["left"].append(printed("qemu", theirs(options), options, missing, keep)["disk"])
        keep({})
    dirty = [state for state in known["left"] if state != "clean"]
    return {name: known["commands"][PARTS[name]] for name in names} | {"disk": dirty[0] if dirty else "clean"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=["riscv64", "aarch64"], default="riscv64")
    parser.add_argument("--engine", action="append", choices=["interp", "jit", "hybrid"], help="of ennead; default: jit and hybrid")
    parser.add_argument("--mmu", choices=["soft", "page-table", "auto"], help="of ennead")
    parser.add_argument("--cpus", default="2", help="virtual CPUs")
    parser.add_argument("--limit", type=int, default=1800, help="seconds that a part may take")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--again", action="store_true", help="run QEMU's guest even if it printed something before")
    options = parser.parse_args()
    options.here = TOP / "build/userland" / options.arch
    options.here.mkdir(parents=True, exist_ok=True)
    names = options.only or list(PARTS)
    right = by_qemu(options, names)
    differ = [] if right["disk"] == "clean" else [("qemu", "disk")]
    for engine in options.engine or ["jit", "hybrid"]:
        texts = printed(engine, ours(options, engine), options, names)
        for name in [*names, "disk"]:
            if texts[name] == right[name]:
                continue
            differ.append((engine, name))
            print(*difflib.unified_diff(right[name].split("\n"), texts[name].split("\n"), f"qemu: {name}", f"{engine}: {name}", lineterm=""), sep="\n")
    print("all the same, all disks clean" if not differ else f"not the same: {differ}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
