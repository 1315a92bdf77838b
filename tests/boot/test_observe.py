# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What programs and people see of a host and its guests: the monitor's JSON, trace, top, crashes."""
import json
import re

import pytest

from conftest import ARCHES, TOP, guest_config, guest_files
from test_vm import MICRO, console, host, wait_for_state  # noqa: F401, pylint: disable=unused-import


def records(machine, command, kind=None):
    """The objects that a command prints with -j, all of them or those of one kind."""
    lines = [line for line in machine.run(f"{command} -j").splitlines() if line.startswith("{")]
    found = [json.loads(line) for line in lines]
    return [record for record in found if kind in (None, record["record"])]


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_every_command_speaks_json(host, arch):  # noqa: F811
    machine = host(arch, ["clock", "one"], keyboard=True) if arch == "x86_64" else host(arch, ["clock", "one"])
    machine.run("vm start clock")
    console(machine, "clock", r"clock \d+ ms")
    listed = {r["name"]: r for r in records(machine, "vm list", "vm")}
    assert listed["clock"]["state"] == "running" and listed["clock"]["memory_bytes"] == 256 << 20
    assert listed["one"] == {"record": "vm", "name": "one", "state": "stopped", "engine": None, "vcpus": 1,
                             "memory_bytes": 256 << 20, "cpu_percent": 0.0, "reason": None}
    stats = records(machine, "vm stats clock")
    exits = {kind: e["count"] for kind, e in next(r for r in stats if r["record"] == "vcpu")["exits"].items()}
    assert exits["idle"] > 0 and stats[-1]["record"] == "vm" and stats[-1]["resident_bytes"] > 0
    devices = {r["name"]: r for r in stats if r["record"] == "device"}
    assert devices["virtio-balloon"]["given_bytes"] == 0 and devices["virtio-balloon"]["state"] == "no driver yet"
    assert all(queue == {"requests": 0, "notifications": 0, "interrupts": 0} for queue in devices["virtio-console"]["queues"])
    machine.run("vm pause clock")
    vcpu = records(machine, "vm info clock", "vcpu")[0]
    pc = {"x86_64": "rip", "riscv64": "pc"}[arch]
    shown = re.search(r"\b(?:rip|pc)\s*[=:]?\s*(?:0x)?([0-9a-f]+)", machine.run("vm info clock"), re.I)[1]
    assert int(vcpu["registers"][pc], 16) == int(shown, 16)
    memory = records(machine, "mem", "memory")[0]
    assert 0 < memory["free_bytes"] < memory["total_bytes"] <= 2 << 30
    cpus = records(machine, "cpus", "cpu")
    assert cpus[0]["online"] and cpus[0]["features"]
    assert {"monitor", "clock/0"} <= {r["name"] for r in records(machine, "threads", "thread")}
    settings = {(r["name"], r["key"]): r["value"] for r in records(machine, "config", "setting")}
    assert settings["clock", "cmdline"] == "clock period=100"
    host_record = records(machine, "host")[0]
    assert host_record["isa"] == arch and host_record["cpus_online"] == len(cpus)
    assert any(r["name"] == host_record_engine(arch) and r["available"] for r in records(machine, "host", "engine"))
    assert {r["name"] for r in records(machine, "help", "command")} >= {"vm list", "mem", "log"}
    for command in ("irq", "pci", "log 5") + (("usb",) if arch == "x86_64" else ()):
        assert records(machine, command), command
    for command, said in (("vm info nobody", "There is no guest 'nobody'"), ("hlep", "The nearest is 'help'"),
                          ("vm resume clock", "clock goes on.")):
        assert said in records(machine, command, "message")[0]["text"]


def documented_records():
    """{(command, record): (members that are always there, members that may be, whether more may come)} of docs/records.md."""
    found = {}
    for line in (TOP / "docs/records.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[1].startswith("`"):
            known = set(re.findall(r"`(\w+)`", cells[2]))
            perhaps = set(re.findall(r"\[`(\w+)`\]", cells[2]))
            found[cells[0].strip("`"), cells[1].strip("`")] = known - perhaps, known, "and more" in cells[2]
    return found


def test_all_commands_print_the_records_that_are_documented(boot):
    """Each command of the monitor's table with -j, without an argument and of three guests."""
    config = "[host]\nconfig = 1\n" + "".join(
        f"\n[vm {name}]\narch = {arch}\nmemory = 64M\nkernel = {MICRO}-{arch}\ncmdline = {program}\nautostart = no\n"
        for name, arch, program in (("near", "x86_64", "clock period=50"), ("far", "riscv64", "clock period=50"), ("boom", "x86_64", "crash")))
    files = [(f"{MICRO}-{arch}", TOP / f"build/{arch}/guests/micro") for arch in ("x86_64", "riscv64")]
    machine = boot("x86_64", config, files, memory=1024, keyboard=True)
    machine.prompt()
    machine.run("trace on")
    for name in ("near", "far", "boom"):
        machine.run(f"vm start {name}")
    wait_for_state(machine, "boom", "failed")
    console(machine, "near", r"clock \d+ ms")
    documented, seen = documented_records(), set()

    def check(command, *words):
        for line in machine.run(" ".join([command, *words, "-j"])).splitlines():
            if not line or line.startswith("["):  # a line of the log
                continue
            record = json.loads(line)
            kind = record.pop("record")
            always, known, more = documented["any" if kind == "message" else command, kind]
            assert always <= set(record) and (more or set(record) <= known), line
            seen.add((command, kind))

    usages = {r["name"]: r["usage"] for r in records(machine, "help", "command")}
    ending = ["vm stop", "vm reset", "vm destroy", "reboot", "poweroff"]
    for command in [name for name in usages if name not in ending] + ending[:3]:
        check(command)
        if "NAME" in usages[command] and command not in ("gdb", "vm console"):  # which take the line for something else
            for name in ("near", "far", "boom"):
                check(command, name)
        if command == "vm pause":
            check("vm info", "near")
    assert seen >= {key for key in documented if key[0] != "any"}, set(documented) - seen
    machine.child.send("poweroff -j\r")
    assert json.loads(machine.expect(r'\{"record":.*\}').group()) == {"record": "message", "text": "turning the machine off"}
    assert machine.wait_end() == 0


def host_record_engine(arch):
    return {"x86_64": "svm", "riscv64": "hext"}[arch]


def test_trace_notes_what_is_asked_for(boot):
    """Exits and interrupts of a guest on the hardware, blocks of a translated one; filters, text, JSON, lost events."""
    config = "[host]\nconfig = 1\n" + "".join(
        f"\n[vm {name}]\narch = {arch}\nmemory = 64M\nkernel = {MICRO}-{arch}\ncmdline = clock period=20\nautostart = no\n"
        for name, arch in (("near", "x86_64"), ("far", "riscv64")))
    files = [(f"{MICRO}-{arch}", TOP / f"build/{arch}/guests/micro") for arch in ("x86_64", "riscv64")]
    machine = boot("x86_64", config, files, memory=1024)
    machine.prompt()
    assert "neither a guest nor a kind" in machine.run("trace on exists")
    assert "Tracing" in machine.run("trace on")
    for name in ("near", "far"):
        machine.run(f"vm start {name}")
        console(machine, name, r"clock \d+ ms")
    events = records(machine, "trace show 4000", "event")
    assert {(e["vm"], e["kind"]) for e in events} >= {("near", "exits"), ("near", "interrupts"), ("far", "exits"), ("far", "blocks")}
    times = [e["ns"] for e in events]
    assert times == sorted(times)
    assert {e["vm"] for e in records(machine, "trace show 4000 far", "event")} == {"far"}
    machine.run("trace on exits near")
    machine.run("trace clear")
    while not any(e["exit"] == "port" and int(e["about"], 16) == 0x3F8 for e in records(machine, "trace show", "event")):
        pass
    events = records(machine, "trace show", "event")
    assert len(events) <= 40 and {(e["vm"], e["kind"]) for e in events} == {("near", "exits")}
    text = machine.run("trace show 3")
    assert len(re.findall(r"^\[ +\d+\.\d{6}\] cpu 0 near/0: exit [a-z ]+ 0x[0-9a-f]+$", text, re.M)) == 3, text
    assert "tracing is on: exits of near; " in text
    machine.run("trace off")
    before = records(machine, "trace show 1", "trace")[0]
    machine.run("vm list")
    assert records(machine, "trace show 1", "trace")[0] == before and not before["on"]
    machine.run("trace on")
    while not (counts := records(machine, "trace show 1", "trace")[0])["lost"]:
        pass
    assert counts["kept"] == 2048


def test_a_crash_is_kept_until_the_next_start(host):  # noqa: F811
    machine = host("x86_64", ["crash", "clock"])
    assert "has not crashed since it was started" in machine.run("vm crash crash")
    for _ in range(2):
        machine.run("vm start crash")
        wait_for_state(machine, "crash", "failed")
        text = machine.run("vm crash crash")
        assert "triple fault" in text and "last exit fatal" in text and re.search(r"^rip 0{10}10[0-9a-f]{4}", text, re.M)
        crash, *rest = records(machine, "vm crash crash")
        assert crash["exit"] == "fatal" and not crash["now"] and crash["symbols"] == 0
        assert rest[0]["record"] == "frame" and rest[0]["pc"] == crash["pc"]
    machine.run("vm start clock")
    console(machine, "clock", r"clock \d+ ms")
    crash, *rest = records(machine, "vm crash clock")
    assert crash["now"] and any(re.match(r"clock \d+ ms", r["text"]) for r in rest if r["record"] == "console")


@pytest.mark.parametrize("arch", ARCHES)
def test_a_panicked_kernel_is_shown_with_its_symbols(boot, arch):
    """The backtrace names what /proc/sysrq-trigger calls, as the guest's own does on its console."""
    machine = boot(arch, guest_config(arch), guest_files(arch), memory=1024)
    machine.expect("Ennead guest ready: Linux", timeout=300)
    machine.expect("guest# ")
    machine.child.send("echo c >/proc/sysrq-trigger\r")
    machine.expect("end Kernel panic", timeout=120)
    machine.child.send("\x1d")
    machine.prompt()
    for _ in range(20):  # it may be seen inside an interrupt, on another stack
        crash, *rest = records(machine, f"vm crash {arch}")
        names = [r["symbol"] for r in rest if r["record"] == "frame"]
        if {"sysrq_handle_crash", "write_sysrq_trigger", "vfs_write"} <= set(names):
            break
    assert crash["now"] and crash["symbols"] > 10_000
    assert {"sysrq_handle_crash", "write_sysrq_trigger", "vfs_write"} <= set(names), names
    assert any("sysrq triggered crash" in r["text"] for r in rest if r["record"] == "console")


@pytest.mark.parametrize("arch", ["x86_64"])
def test_a_panic_is_kept_when_the_kernel_restarts_its_guest(boot, arch):
    machine = boot(arch, guest_config(arch), guest_files(arch), memory=1024)
    machine.expect("Ennead guest ready: Linux", timeout=300)
    machine.expect("guest# ")
    machine.child.send("echo 1 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger\r")
    machine.expect("Rebooting in 1 seconds", timeout=120)
    machine.child.send("\x1d")
    machine.prompt()
    while (found := records(machine, f"vm crash {arch}", "crash")) and found[0]["now"] or not found:
        pass
    crash, *rest = records(machine, f"vm crash {arch}")
    assert crash["reason"] == "its kernel gave up and restarted it: Kernel panic - not syncing: sysrq triggered crash"
    assert not crash["now"] and crash["symbols"] > 10_000
    assert {"sysrq_handle_crash", "write_sysrq_trigger"} <= {r["symbol"] for r in rest if r["record"] == "frame"}
    assert any("Rebooting in 1 seconds" in r["text"] for r in rest if r["record"] == "console")


def test_top_shows_each_second_until_a_key_is_pressed(host):  # noqa: F811
    machine = host("x86_64", ["one", "clock", "silent"])
    for name in ("one", "clock"):
        machine.run(f"vm start {name}")
    machine.child.send("top\r")
    for _ in range(3):
        machine.expect(r"\d+ CPUs?, \d+\.\d % idle; \d+ of \d+ MiB free")
        machine.expect(r"one +running +svm +(\d+\.\d) +(\d+) +\d+ of 256 M.*vCPU 0 +running +(\d+\.\d)")
        machine.expect(r"clock +running +svm +(\d+\.\d) +(\d+) ")
        machine.expect(r"silent +stopped")
    machine.child.send("q")
    machine.prompt()
    top, *rows = records(machine, "top")
    assert top["cpus_online"] == 1 and top["idle_percent"] < 20
    by_name = {r["name"]: r for r in rows if r["record"] == "vm"}
    assert by_name["one"]["cpu_percent"] > 50 and by_name["clock"]["exits_per_s"] > 0
    assert by_name["one"]["cpu_percent"] + by_name["clock"]["cpu_percent"] <= 101
    assert by_name["silent"]["state"] == "stopped" and by_name["silent"]["resident_bytes"] == 0
    assert [r["vm"] for r in rows if r["record"] == "vcpu"] == ["one", "clock"]
    assert len(records(machine, "top 2", "top")) == 2
