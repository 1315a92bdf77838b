# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Stock Debian on the translator, as a process: build/hosted/ennead run."""
import hashlib
import random
import re
import shutil
import subprocess
import time

import pexpect
import pytest

from conftest import GUEST_PROMPT, TOP, Process
from test_micro import micro, verdict

PROGRAM = TOP / "build/hosted/ennead"
GUESTS = TOP / "build/guest"
GUEST = GUESTS / "riscv64"
DISK_SIZE = 1 << 20
# Commands (of less than a line) whose output the build machine's own programs, or arithmetic, give too.
SAME_HERE = [
    "seq 1 3000 | sha256sum",
    "seq 1 2000 | gzip -9 | gunzip | md5sum",
    "for i in $(seq 900); do s=$(((s*31+i)%99991)); done; echo $s",
    "awk 'BEGIN {for (i=1; i<900; i++) s+=1/i; printf \"%.15f\\n\", s}'",
]
# The same of programs that come with Debian.
SAME_IN_DEBIAN = [
    "perl -e 'printf qq{%.17g %.17g\\n}, exp(1) * sin(2), sqrt(2) ** 3 / 7'",
    "perl -e '@p = grep {my $n = $_; !grep {$n % $_ == 0} 2 .. sqrt $n} 2 .. 3000; print qq{@p[-3 .. -1]\\n}'",
    "perl -e '$s{$_ * 7919 % 10007} = $_ for 1 .. 20000; print join(q{,}, map {$s{$_}} (sort {$a <=> $b} keys %s)[5, 500, 5000]), qq{\\n}'",
    "seq 30000 | sort -r | sha512sum",
    "seq 20000 | gzip -9 | gunzip | cksum",
    "seq 9999 | sed 's/1/one/g' | grep -c oneone",
    "factor 1000000007 18446744073709551557 9223372036854775807",
    "dpkg --compare-versions 1.0~rc1 lt 1.0 && echo less",
    "for i in 1 2 3 4; do (seq $((i * 5000)) | md5sum) & done | sort",
]


def test_debian_reaches_a_shell_computes_and_writes_its_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(range(256)) * (DISK_SIZE // 256))
    before = hashlib.sha256(disk.read_bytes()).hexdigest()
    with Process(tmp_path / "console.log", "--memory", "384M", "--cpus", "2", "--append", "console=ttyS0 quiet", "--disk", str(disk), "--stats") as guest:
        guest.child.expect("Ennead guest ready: Linux .* riscv64")
        guest.child.expect_exact(GUEST_PROMPT)
        assert guest.shell("nproc") == "2"
        for command in SAME_HERE:
            assert guest.shell(command) == subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.rstrip("\n")
        assert guest.shell("sha256sum /dev/vda").split()[0] == before
        assert guest.shell("seq 9999 >/n; dd if=/n of=/dev/vda bs=512 seek=8 conv=sync,fsync 2>&-") == ""
        after = guest.shell("sha256sum /dev/vda").split()[0]
        guest.child.send("poweroff\r")
        guest.child.expect(r"units of (\d+) instructions made in (\d+) us: (\d+) a second")
        insns, us, rate = (int(n) for n in guest.child.match.groups())
        assert insns > 100_000  # no Linux comes up with less code
        assert rate == insns * 1_000_000 // us
        guest.child.expect(r"code is emitted for blocks after (\d+) to (\d+) runs")
        assert 0 < int(guest.child.match[1]) <= int(guest.child.match[2])
        guest.child.expect(pexpect.EOF)
        guest.child.close()
        assert guest.child.exitstatus == 0
    written = "".join(f"{n}\n" for n in range(1, 10000)).encode()
    assert disk.read_bytes()[4096:4096 + len(written)] == written
    assert hashlib.sha256(disk.read_bytes()).hexdigest() == after != before


def test_debian_with_systemd_runs_its_programs_and_leaves_a_clean_disk(tmp_path):
    disk = tmp_path / "root.img"
    shutil.copy(GUEST / "root.img", disk)
    with Process(tmp_path / "console.log", "--memory", "512M", "--append", "console=ttyS0 quiet root=/dev/vda", "--disk", str(disk)) as guest:
        guest.child.expect("Ennead guest ready: Linux .* riscv64")
        guest.child.expect_exact(GUEST_PROMPT)
        assert guest.shell("findmnt -n -o SOURCE /") == "/dev/vda"
        for command in SAME_IN_DEBIAN:
            assert guest.shell(command) == subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.rstrip("\n"), command
        assert guest.shell("dpkg --audit; dpkg-query -W -f '${Architecture}\\n' dpkg") == "riscv64"
        guest.child.send("poweroff\r")
        guest.child.expect(pexpect.EOF)
        guest.child.close()
        assert guest.child.exitstatus == 0
    subprocess.run(["/sbin/e2fsck", "-fn", disk], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("engine, cpus", [("interp", 1), ("jit", 1), ("hybrid", 2)])
def test_debian_arm64_runs_commands_and_sleeps(tmp_path, engine, cpus):
    options = ["--memory", "256M", "--cpus", str(cpus), "--engine", engine, "--append", "console=ttyAMA0 quiet"]
    with Process(tmp_path / "console.log", *options, arch="aarch64") as guest:
        guest.child.expect("Ennead guest ready: Linux .* aarch64")
        guest.child.expect_exact(GUEST_PROMPT)
        assert guest.shell("nproc") == str(cpus)
        for command in SAME_HERE:
            assert guest.shell(command) == subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.rstrip("\n")
        before = time.monotonic()
        assert guest.shell("sleep 1; sleep 0.1; echo slept") == "slept"
        assert time.monotonic() - before > 1
        guest.child.send("poweroff -f\r")
        guest.child.expect(pexpect.EOF)
        guest.child.close()
        assert guest.child.exitstatus == 0


@pytest.mark.parametrize("engine", ["interp", "jit", "hybrid"])
@pytest.mark.parametrize("arch", ["aarch64", "riscv64"])
def test_two_cpus_see_of_each_other_what_their_architecture_allows(arch, engine):
    command = [PROGRAM, "run", "--arch", arch, "--cpus", "2", "--memory", "64M", "--engine", engine, "--kernel", micro(arch),
               "--append", "litmus rounds=10000"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=300)
    assert len(verdict(done.stdout)) > 4


@pytest.mark.parametrize("engine", ["interp", "jit"])
@pytest.mark.parametrize("arch, settings", [("riscv64", []), ("riscv64", ["--set", "vectors=yes"]), ("aarch64", [])])
def test_what_is_offered_is_complete_and_nothing_else_is_there(arch, settings, engine):
    """The device tree's ISA string and the ID registers, against instructions of what they name and of what they do not."""
    command = [PROGRAM, "run", "--arch", arch, "--memory", "64M", "--engine", engine, *settings, "--kernel", micro(arch), "--append", "extensions complete"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=100)
    assert len(verdict(done.stdout)) > 70


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_each_engine_runs_debian(tmp_path, engine):
    with Process(tmp_path / "console.log", "--memory", "256M", "--engine", engine, "--append", "console=ttyS0 quiet") as guest:
        guest.child.expect("Ennead guest ready: Linux .* riscv64")
        guest.child.expect_exact(GUEST_PROMPT)
        assert guest.shell("i=0; s=0; while [ $i -lt 5000 ]; do i=$((i+1)); s=$((s+i)); done; echo $i $s").endswith("5000 12502500")
        check_maps(guest.child.pid, code=engine == "jit")
        guest.child.send("poweroff -f\r")
        guest.child.expect(pexpect.EOF)
        guest.child.close()
        assert guest.child.exitstatus == 0


@pytest.mark.parametrize("options, message", [
    (["--kernel", "/nowhere/kernel"], "/nowhere/kernel: No such file or directory"),
    (["--kernel", "/dev/null"], "/dev/null is no file"),
    (["--cpus", "65", "--kernel", str(GUEST / "kernel")], "give a number from 1 to 64"),
    ([], "--kernel is missing"),
])
def test_mistakes_are_told(options, message):
    done = subprocess.run([PROGRAM, "run", *options], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_file_that_is_no_kernel_fails_the_start(tmp_path):
    fake = tmp_path / "kernel"
    fake.write_bytes(b"no kernel" * 1000)
    done = subprocess.run([PROGRAM, "run", "--kernel", fake], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 1
    assert "kernel" in done.stdout + done.stderr


def check_maps(pid, code=True):
    """No page of the process may be written and executed at once; emitted code is executed by one mapping and written by another."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        rights = [(line.split()[1], line) for line in maps]
    assert not [line for right, line in rights if "w" in right and "x" in right]
    if code:
        assert {right[:3] for right, line in rights if "memfd:code" in line} == {"rw-", "r-x"}


def state_hashes(count, *options, every=1_000_000, kernel=("--kernel", GUEST / "kernel", "--initrd", GUEST / "initrd", "--append", "console=ttyS0")):
    """What `--hash` prints during the first instructions of a boot."""
    command = [PROGRAM, "run", *kernel, "--icount", "--hash", str(every)]
    with subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        hashes = []
        for line in process.stderr:
            if line.startswith("state at "):
                hashes.append(line)
                if len(hashes) % 20 == 0:
                    check_maps(process.pid, code="interp" not in options)
            if len(hashes) == count:
                break
        process.kill()
    assert len(hashes) == count
    return hashes


@pytest.mark.parametrize("cpus", ["1", "2"])
def test_a_counted_boot_is_the_same_with_each_engine_and_under_stress(cpus):
    by_interpreter = state_hashes(150, "--engine", "interp", "--cpus", cpus)
    assert len(set(by_interpreter)) == 150
    assert state_hashes(150, "--engine", "interp", "--cpus", cpus) == by_interpreter
    assert state_hashes(150, "--engine", "hybrid", "--cpus", cpus) == by_interpreter
    assert state_hashes(150, "--engine", "jit", "--cpus", cpus) == by_interpreter
    assert state_hashes(150, "--engine", "jit", "--cpus", cpus, "--stress",
                        "code-cache=256,tlb=16,return-stack=4,invalidate=50,evict=400") == by_interpreter
    assert state_hashes(150, "--engine", "jit", "--cpus", cpus, "--stress", SCARCE) == by_interpreter


STRESS = "code-cache=256,tlb=16,return-stack=4,invalidate=50,evict=400"


@pytest.mark.parametrize("arch, console", [("riscv64", "ttyS0"), ("aarch64", "ttyAMA0")])
def test_a_counted_boot_is_the_same_by_page_tables(arch, console):
    kernel = ("--arch", arch, "--kernel", GUESTS / arch / "kernel", "--initrd", GUESTS / arch / "initrd", "--append", f"console={console}")
    by_look_up = state_hashes(300, "--engine", "jit", "--mmu", "soft", kernel=kernel)
    assert len(set(by_look_up)) == 300
    assert state_hashes(300, "--engine", "jit", "--mmu", "page-table", kernel=kernel) == by_look_up
    assert state_hashes(60, "--engine", "jit", "--mmu", "page-table", "--stress", STRESS, kernel=kernel) == by_look_up[:60]
    assert state_hashes(150, "--engine", "jit", "--mmu", "auto", "--stress", "turn=9", kernel=kernel) == by_look_up[:150]
    assert state_hashes(60, "--engine", "jit", "--mmu", "auto", "--stress", STRESS + ",turn=3", kernel=kernel) == by_look_up[:60]


def test_a_counted_boot_of_arm64_is_the_same_with_each_engine_and_under_stress():
    kernel = ("--arch", "aarch64", "--kernel", GUESTS / "aarch64/kernel", "--initrd", GUESTS / "aarch64/initrd", "--append", "console=ttyAMA0")
    by_interpreter = state_hashes(80, "--engine", "interp", kernel=kernel)
    assert len(set(by_interpreter)) == 80
    assert state_hashes(80, "--engine", "jit", kernel=kernel) == by_interpreter
    assert state_hashes(80, "--engine", "jit", "--stress", "code-cache=256,tlb=16,return-stack=4,invalidate=50,evict=400",
                        kernel=kernel) == by_interpreter


def build_kernel(source, folder, arch="riscv64"):
    """An image of assembler code that runs where Linux would."""
    elf, image = folder / "start.elf", folder / "start"
    subprocess.run([f"{arch}-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0x80200000,--build-id=none", "-o", elf, TOP / "tests/boot" / source], check=True)
    subprocess.run([f"{arch}-linux-gnu-objcopy", "-O", "binary", elf, image], check=True)
    return image


@pytest.mark.parametrize("engine", ["jit", "interp"])
def test_programs_in_a_riscv64_guest_use_vectors(tmp_path, engine):
    program = tmp_path / "vectors"
    subprocess.run(["riscv64-linux-gnu-gcc", "-std=gnu17", "-O2", "-static", "-march=rv64gcv", "-o", program, TOP / "tests/boot/vectors.c"], check=True)
    # qemu-user keeps no vectors over signals: what it says of the fills, in the last line, does not count.
    wanted = subprocess.run(["qemu-riscv64", "-cpu", "rv64,v=true,vlen=128", program], capture_output=True, text=True, check=False).stdout.splitlines()
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tmp_path, input=b"vectors\n", capture_output=True, check=True).stdout
    initrd = tmp_path / "initrd"
    initrd.write_bytes((GUEST / "initrd").read_bytes() + archive)
    with Process(tmp_path / "console.log", "--initrd", str(initrd), "--engine", engine, "--set", "vectors=yes") as guest:
        guest.child.expect("Ennead guest ready: Linux .* riscv64")
        guest.child.expect_exact(GUEST_PROMPT)
        assert "imafdcv_" in guest.shell("grep isa /proc/cpuinfo")
        found = guest.shell("/vectors").split("\n")
    assert len(wanted) == 41 and [line.strip() for line in found[:-1]] == wanted[:-1]
    assert found[-1].strip() == "vectors kept"


def change_code(pid, old, new):
    """Writes over all such bytes in the code cache; how many there were."""
    count = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for line in maps:
            if "memfd:code" in line and " rw" in line:
                begin, end = (int(n, 16) for n in line.split()[0].split("-"))
                memory.seek(begin)
                for found in re.finditer(re.escape(old), memory.read(min(end - begin, 1 << 20))):
                    memory.seek(begin + found.start())
                    memory.write(new)
                    count += 1
    return count


def test_the_check_tells_where_emitted_code_and_interpreter_disagree(tmp_path):
    image = build_kernel("endless_sum.S", tmp_path)
    command = [PROGRAM, "run", "--kernel", image, "--memory", "16M", "--engine", "jit", "--check"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        while process.stdout.read(1) != b"!":
            assert process.poll() is None
        assert change_code(process.pid, (1234).to_bytes(4, "little"), (1235).to_bytes(4, "little"))
        told = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 1
    found = re.search(r"check: x10 is 0x([0-9a-f]+) by the interpreter, 0x([0-9a-f]+) by emitted code", told)
    assert found and int(found[2], 16) - int(found[1], 16) == 1
    assert "disagree" in told


def test_a_boot_in_lockstep_is_that_of_the_interpreter():
    assert state_hashes(20, "--engine", "jit", "--check") == state_hashes(20, "--engine", "interp")


def test_a_counted_run_ends_with_the_guest_and_counted_its_instructions(tmp_path):
    command = [PROGRAM, "run", "--kernel", build_kernel("counted_loops.S", tmp_path), "--memory", "16M", "--icount", "--stats"]
    text = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "translator: 18007 instructions" in text  # without the one that switched off


def test_the_profile_counts_each_instruction(tmp_path):
    command = [PROGRAM, "run", "--kernel", build_kernel("counted_loops.S", tmp_path), "--memory", "16M", "--profile"]
    text = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True).stdout
    told = {bits: (int(executed), who) for bits, executed, who in re.findall(r"^  profile [0-9a-f]+ ([0-9a-f]+) (\d+) (\w+)$", text, re.MULTILINE)}
    assert told["fff48493"] == (7000, "inline")  # addi s1, s1, -1
    assert told["fff40413"] == (1000, "inline")  # addi s0, s0, -1
    assert told["0ac59533"] == (1000, "call")    # clmul a0, a1, a2
    assert told["00700493"] == (1000, "inline")  # li s1, 7
    assert told["3e800413"] == (1, "inline")     # li s0, 1000
    assert told["00000073"] == (1, "call")       # ecall
    assert "profile: 18008 instructions counted" in text  # 2 before the loop of 18, 6 behind it


def test_the_trace_tells_what_happened_last(tmp_path):
    command = [PROGRAM, "run", "--kernel", build_kernel("power_off.S", tmp_path), "--memory", "16M", "--engine", "jit", "--trace"]
    done = subprocess.run([*command, "exits,blocks,flushes"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    for event in ["exit hypercall", r"translated \d+ instructions at 0x80200", "flushed all"]:
        assert re.search(event, done.stdout), event
    done = subprocess.run([*command, "flushes"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    assert "flushed all" in done.stdout and "translated" not in done.stdout
    done = subprocess.run([*command, "nonsense"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and "--trace nonsense: give exits" in done.stderr


def random_code(generator):
    """Words that are instructions more often than chance has it, at random places: many are illegal, jump anywhere, or write into the others."""
    opcodes = [0x03, 0x07, 0x0f, 0x13, 0x17, 0x1b, 0x23, 0x27, 0x2f, 0x33, 0x37, 0x3b, 0x43, 0x47, 0x4b, 0x4f, 0x53, 0x63, 0x67, 0x6f]
    code = bytearray()
    while len(code) < 1 << 20:
        word = generator.getrandbits(32)
        code += (generator.getrandbits(16).to_bytes(2, "little") if generator.random() < 0.4 else
                 (word & ~0x7f | generator.choice(opcodes)).to_bytes(4, "little"))
    return bytes(code[:1 << 20])


def random_arm_code(generator):
    """The same for aarch64, where chance has enough instructions; but none of the system's, which wait, stop the clock or move the vectors, and no HVC."""
    code = bytearray()
    while len(code) < 1 << 20:
        word = generator.getrandbits(32)
        if word >> 24 not in (0xd4, 0xd5):
            code += word.to_bytes(4, "little")
    return bytes(code)


@pytest.mark.parametrize("arch, seed", [*(("riscv64", n) for n in range(4)), ("aarch64", 0), ("aarch64", 1)])
def test_random_pages_do_the_same_with_each_engine(tmp_path, arch, seed):
    """Whatever a page holds, executed as code by a supervisor: the same state by interpreter and code generator, however it is disturbed."""
    source, make = {"riscv64": ("random_code.S", random_code), "aarch64": ("random_code_arm.S", random_arm_code)}[arch]
    image = build_kernel(source, tmp_path, arch).read_bytes().ljust(1 << 20, b"\0") + make(random.Random(seed))
    (tmp_path / "image").write_bytes(image)
    kernel = ("--arch", arch, "--kernel", tmp_path / "image", "--memory", "16M")
    by_interpreter = state_hashes(200, "--engine", "interp", every=5000, kernel=kernel)
    assert len(set(by_interpreter)) == 200
    assert state_hashes(200, "--engine", "jit", every=5000, kernel=kernel) == by_interpreter
    assert state_hashes(200, "--engine", "jit", "--mmu", "page-table", every=5000, kernel=kernel) == by_interpreter
    assert state_hashes(200, "--engine", "jit", "--check", every=5000, kernel=kernel) == by_interpreter
    assert state_hashes(200, "--engine", "jit", "--stress", "code-cache=256,tlb=2,return-stack=4,invalidate=9,evict=99", every=5000,
                        kernel=kernel) == by_interpreter


@pytest.mark.parametrize("engine", ["interp", "jit", "hybrid"])
def test_code_that_changes_in_every_way_is_made_anew(tmp_path, engine):
    """By another mapping, another page in its place during a call, data beside it, the other vCPU; QEMU says abcd, too."""
    command = [PROGRAM, "run", "--kernel", build_kernel("changing_code.S", tmp_path), "--memory", "16M", "--cpus", "2", "--engine", engine, "--stats"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=200)
    assert "abcd" in done.stdout
    writes, invalidated = map(int, re.search(r"writes to code (\d+); blocks invalidated (\d+)", done.stdout).groups())
    assert writes >= 100_000 and invalidated < 10_000  # data beside code costs no code


@pytest.mark.parametrize("engine", ["jit", "hybrid"])
def test_a_vcpu_that_evicts_code_never_keeps_the_other_one_waiting(tmp_path, engine):
    """It looks at what the other one counts: that has to go on, however often there is no room for code."""
    command = [PROGRAM, "run", "--kernel", build_kernel("waiting_turns.S", tmp_path), "--memory", "16M", "--cpus", "2", "--engine", engine,
               "--stress", "code-cache=256,evict=50"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.rstrip()[-1:] == "."


SCARCE = "code-memory=2048,block-memory=1024"


@pytest.mark.parametrize("engine, cpus", [("jit", "1"), ("hybrid", "2")])
def test_debian_goes_on_where_the_host_has_no_memory_for_more_code(tmp_path, engine, cpus):
    options = ["--memory", "256M", "--cpus", cpus, "--engine", engine, "--append", "console=ttyS0 quiet", "--stress", SCARCE, "--stats"]
    with Process(tmp_path / "console.log", *options) as guest:
        guest.child.expect("Ennead guest ready: Linux .* riscv64")
        guest.child.expect_exact(GUEST_PROMPT)
        for command in SAME_HERE:
            assert guest.shell(command) == subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.rstrip("\n")
        guest.child.send("poweroff -f\r")
        guest.child.expect(r"no memory left: for code (\d+) times, for blocks (\d+) times")
        assert int(guest.child.match[1]) > 1 and int(guest.child.match[2]) > 0
        guest.child.expect(r"with the code cache (\d+) KiB")
        assert int(guest.child.match[1]) < 10 << 10
        guest.child.expect(pexpect.EOF)
        guest.child.close()
        assert guest.child.exitstatus == 0
