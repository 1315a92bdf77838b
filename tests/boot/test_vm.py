# SPDX-License-Identifier: BSD-2-Clause-Patent
"""The life of guests: several at once, pause and resume, reset, destruction, what is known of them, scrubbed memory."""
import json
import re

import pytest

from conftest import ARCHES, ENGINE, TOP, held_memory

MICRO = "ennead/micro"
PROGRAMS = {
    "clock": "clock period=100",
    "one": "spin",
    "two": "spin",
    "scrub": "scrub",
    "silent": "spin quiet",
    "latency": "latency count=100",
    "ping": "ping count=100",
    "pong": "pong",
    "crash": "crash",
}


def config(names, extra=""):
    return "[host]\nconfig = 1\n" + "".join(
        f"\n[vm {name}]\nmemory = 256M\nkernel = {MICRO}\ncmdline = {PROGRAMS[name]}\nautostart = no\n{extra}"
        for name in names)


@pytest.fixture
def host(boot):
    """host(arch, names) boots a machine with these micro-guests, none of them started."""
    def start(arch, names, extra="", **options):
        machine = boot(arch, config(names, extra), [(MICRO, TOP / f"build/{arch}/guests/micro")], memory=2048, **options)
        machine.prompt()
        return machine
    return start


def console(machine, name, pattern, timeout=60):
    """Attaches to the guest's console until `pattern` has come; returns the match."""
    machine.child.send(f"vm console {name}\r")
    match = machine.expect(pattern, timeout=timeout)
    machine.child.send("\x1d")
    machine.prompt()
    return match


def states(machine):
    return {line.split()[0]: line.split()[1] for line in machine.run("vm list").splitlines()[1:] if line.strip()}


def wait_for_state(machine, name, state):
    while states(machine)[name] != state:
        pass


def guest_ms(machine, name):
    seconds, ms = re.search(r"its clock: (\d+)\.(\d+) s", machine.run(f"vm info {name}")).groups()
    return int(seconds) * 1000 + int(ms)


def free_kib(machine):
    return int(re.search(r"KiB in all, (\d+) KiB free", machine.run("mem")).group(1))


def settled_memory(machine):
    """What the hypervisor holds once stopped guests have been scrubbed: the same ten times."""
    seen = []
    while len(seen) < 10 or len(set(seen[-10:])) > 1:
        seen.append(held_memory(machine))
    return seen[-1]


@pytest.mark.parametrize("arch", ARCHES)
def test_three_guests_run_at_once(host, arch):
    machine = host(arch, ["clock", "one", "two"])
    for name in ("clock", "one", "two"):
        assert f"{name} runs on {ENGINE[arch]}" in machine.run(f"vm start {name}")
    console(machine, "clock", r"clock \d+ ms")
    assert states(machine) == {"clock": "running", "one": "running", "two": "running"}
    # Both compute all the time: each gets its half of the CPU.
    machine.run("vm list")
    console(machine, "clock", r"clock \d+ ms(?s:.*clock \d+ ms){20}")
    shares = re.findall(r"^(?:one|two) .* M +([\d.]+)", machine.run("vm list"), re.M)
    assert len(shares) == 2 and all(30 < float(share) < 70 for share in shares), shares


@pytest.mark.parametrize("arch", ARCHES)
def test_a_paused_guest_stands_still(host, arch):
    machine = host(arch, ["clock", "one"])
    machine.run("vm start clock")
    machine.run("vm start one")
    before = int(console(machine, "clock", r"clock (\d+) ms").group(1))
    assert "is paused" in machine.run("vm pause clock")
    assert "is not running" in machine.run("vm pause clock")
    stood = guest_ms(machine, "clock")
    info = machine.run("vm info clock")
    assert "vCPU 0: paused" in info and re.search(r"\b(rip|pc) +[0-9a-f]{16}", info)
    # The other one's clock is the host's time here: at least two seconds pass.
    began = guest_ms(machine, "one")
    while guest_ms(machine, "one") < began + 2000:
        pass
    assert guest_ms(machine, "clock") == stood
    assert "goes on" in machine.run("vm resume clock")
    assert "is not paused" in machine.run("vm resume clock")
    ended = guest_ms(machine, "one")
    after = int(console(machine, "clock", rf"clock ((?!{before})\d+) ms").group(1))
    assert after < stood + guest_ms(machine, "one") - ended + 1000
    assert "is stopped" in machine.run("vm destroy clock")


@pytest.mark.parametrize("arch", ARCHES)
def test_time_catches_up_where_the_guest_wants_it(host, arch):
    machine = host(arch, ["clock", "one"], "time = catch-up\n")
    machine.run("vm start clock")
    machine.run("vm start one")
    console(machine, "clock", r"clock \d+ ms")
    apart = guest_ms(machine, "one") - guest_ms(machine, "clock")
    machine.run("vm pause clock")
    began = guest_ms(machine, "one")
    while guest_ms(machine, "one") < began + 1000:
        pass
    machine.run("vm resume clock")
    assert abs(guest_ms(machine, "one") - guest_ms(machine, "clock") - apart) < 900


@pytest.mark.parametrize("arch", ARCHES)
def test_reset_and_destroy(host, arch):
    machine = host(arch, ["clock", "one"])
    machine.run("vm start one")
    assert "was reset and runs" in machine.run("vm reset one")
    assert states(machine)["one"] == "running"
    machine.run("vm pause one")
    assert states(machine)["one"] == "paused"
    assert "is stopped" in machine.run("vm destroy one")
    assert "is not running" in machine.run("vm destroy one")
    assert "is not running" in machine.run("vm reset one")
    info = machine.run("vm info one")
    assert re.search(r"when it stopped: vCPU 0, last exit \w+, PC 0x[0-9a-f]+", info)
    # It has no power button that it listens to: it is told, and loses its power.
    machine.run("vm start clock")
    assert "is stopped" in machine.run("vm stop clock 1", timeout=60)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_hundred_lives_leave_no_page_behind(host, arch):
    machine = host(arch, ["one"])
    for _ in range(3):  # caches of the heap fill up
        machine.run("vm start one")
        machine.run("vm destroy one")
    before = free_kib(machine)
    for _ in range(100):
        assert "runs on" in machine.run("vm start one")
        assert "is stopped" in machine.run("vm destroy one")
    assert before - free_kib(machine) < 4 * 100  # a page that each life left behind; the heap may keep a few


def live_and_die(machine):
    """Guest a drives its disk and its card, and ends by itself; guest b has said something when it is destroyed."""
    assert "runs on" in machine.run("vm start a")
    assert "runs on" in machine.run("vm start b")
    console(machine, "b", r"clock \d+ ms")
    wait_for_state(machine, "a", "stopped")
    assert "is stopped" in machine.run("vm destroy b")


@pytest.mark.parametrize("arch", ARCHES)
def test_a_hundred_guests_with_devices_leave_nothing_behind(boot, arch):
    """Neither a page nor an object of the heap: of two guests with two vCPUs, a disk and a network card each."""
    text = "[host]\nconfig = 1\nlog = error\n\n[network lan]\n"
    for name, program in (("a", "rings seed=1 rounds=2"), ("b", "clock period=10")):
        text += (f"\n[disk d{name}]\nsize = 1M\nmode = copy-on-write\n\n[vm {name}]\nmemory = 64M\ncpus = 2\nkernel = {MICRO}\n"
                 f"cmdline = {program}\nautostart = no\ndisk = d{name}\nnet = lan\n")
    machine = boot(arch, text, [(MICRO, TOP / f"build/{arch}/guests/micro")], memory=2048)
    machine.prompt()
    live_and_die(machine)
    before = settled_memory(machine)
    for _ in range(50):
        live_and_die(machine)
    assert settled_memory(machine) == before


@pytest.mark.parametrize("arch", ARCHES)
def test_a_guest_finds_nothing_of_the_last_one(host, arch):
    machine = host(arch, ["scrub"])
    for _ in range(3):
        machine.run("vm start scrub")
        match = console(machine, "scrub", r"scrub: (\d+) of (\d+) words were not zero(?!.*scrub:)")
        assert match.group(1) == "0" and int(match.group(2)) == (128 << 20) // 8
        wait_for_state(machine, "scrub", "stopped")


MARK = "0123456789abcdef"
# Per guest that cannot go on: host, reason, last exit, PC, a register (what tests/guests/*/machine.[hc] leave there).
CRASHES = {
    "triple": ("x86_64", "triple fault", "fatal", r"0x10[0-9a-f]{4}", r"rip 0{10}10[0-9a-f]{4}"),
    "vector": ("aarch64", "its exception vector 0x30000200 lies at guest address 0x30000200, where there is no memory",
               "memory", "0x30000200", rf"x19 {MARK}"),
    "aarch32": ("aarch64", "it went on in 32-bit code (AArch32)", "fatal", "0x46400000", r"pc +0{8}46400000"),
    "handler": ("riscv64", "its trap handler (stvec 0x70000000) lies at guest address 0x70000000, where there is no memory",
                "memory", "0x70000000", rf"x18 {MARK}"),
}


@pytest.mark.parametrize("crash", sorted(CRASHES))
def test_a_crashed_guest_says_why_and_harms_nobody(host, monkeypatch, crash):
    arch, reason, last_exit, pc, register = CRASHES[crash]
    monkeypatch.setitem(PROGRAMS, "crash", f"crash {crash}")
    machine = host(arch, ["crash", "clock"])
    machine.run("vm start clock")
    machine.run("vm start crash")
    wait_for_state(machine, "crash", "failed")
    info = machine.run("vm info crash")
    assert reason in info and f"last exit {last_exit}" in info, info
    assert re.search(rf"PC {pc}\b", info) and re.search(register, info), info
    assert reason in machine.run("vm list")
    console(machine, "clock", r"clock \d+ ms")
    assert "runs on" in machine.run("vm start crash")


@pytest.mark.parametrize("arch", ARCHES)
def test_statistics(host, arch):
    machine = host(arch, ["clock"])
    machine.run("vm start clock")
    console(machine, "clock", r"clock \d+ ms")
    first, second = (machine.run("vm stats clock") for _ in range(2))
    for text in (first, second):
        assert re.search(r"idle +\d+ +\d+ us", text) and "interrupts injected" in text
        assert re.search(r"pages mapped on demand: [1-9]", text) and re.search(r"in the guest +[1-9]\d* us", text)
        assert re.search(r"memory in use: [1-9]\d* KiB; second-stage tables: [1-9]\d* KiB", text)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_silent_guest_is_diagnosed(host, arch):
    machine = host(arch, ["silent"])
    machine.run("vm start silent")
    text = machine.expect(r"silent: nothing on its console since its start\.([^\n]*\n)", timeout=300).group(1)
    assert re.search(r"last left the guest by \w+", text) and re.search(r"PC 0x[0-9a-f]+", text)


def test_an_idle_guest_answers_beside_two_spinners(boot):
    """All on one CPU: its timers, and pings to it, within 5 ms of guest time, which are instructions here, in 99 of 100.
    aarch64 and riscv64: with Debian's ping, in test_net.py."""
    text = config(["latency", "one", "two", "ping", "pong"], "net = lan\n") + "\n[network lan]\n"
    machine = boot("x86_64", text, [(MICRO, TOP / "build/x86_64/guests/micro")], memory=2048, icount=True)
    machine.prompt()
    for name in ("pong", "one", "two", "latency"):
        machine.run(f"vm start {name}")
    match = console(machine, "latency", r"latency: (\d+) us for 99 in 100", timeout=300)
    assert int(match.group(1)) < 5000
    machine.run("vm start ping")
    match = console(machine, "ping", r"ping: (\d+) of 100 came back, (\d+) us for 99 in 100", timeout=300)
    assert int(match.group(1)) == 100 and int(match.group(2)) < 5000
    assert all(state == "running" for name, state in states(machine).items() if name in ("pong", "one", "two"))


def test_reserved_cpus_are_left_to_guests_that_name_them(boot):
    """Two spinning guests share one CPU beside an idle one."""
    text = config(["one", "two", "clock"]).replace("[host]\n", "[host]\nreserved_cpus = 0\n") + "affinity = 0\n"
    machine = boot("x86_64", text, [(MICRO, TOP / "build/x86_64/guests/micro")], memory=2048, cpus=2)
    machine.prompt()
    where = {"one/0": 1, "two/0": 1, "clock/0": 0}
    for name in where:
        machine.run(f"vm start {name[:-2]}")
    ran = 0
    while ran < 100_000_000:  # nanoseconds
        threads = [json.loads(line) for line in machine.run("threads -j").splitlines() if line.startswith("{")]
        assert {t["name"]: t["cpu"] for t in threads if t["name"] in where} == where
        ran = min(t["run_ns"] for t in threads if t["name"] in ("one/0", "two/0"))
