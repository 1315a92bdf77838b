# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Faults of the hypervisor, provoked in debug builds: each ends in a report that names its cause (docs/faults.md)."""
import re

import pytest

from conftest import ARCHES, plain

# KIND of the monitor's `fault`, what the report's first line says, a function that the backtrace holds (None: any)
FAULTS = [
    ("null", r"writ.* 0x10: .*null pointer", "fault_null"),
    ("stack", r"stack overflow", "fault_stack"),
    ("write-code", r"writ", "fault_write_code"),
    ("execute-data", r"exec|fetch", None),
    ("double-free", r"free.*twice|twice.*free|double free|freed already|already free", None),
    ("page-double-free", r"free.*twice|twice.*free|double free|already free|not the start of a block in use", None),
    ("heap-overrun", r"behind|past|over|end|red zone", None),
    ("lock-order", r'lock order: "outer test lock" .* "inner test lock"', None),
    ("lock-twice", r'lock "outer test lock" is taken twice', None),
    ("sleep-locked", r"sleep.* outer test lock", None),
    ("assertion", r"assertion failed: thread_current\(\) == NULL, kernel/fault.c", None),
    ("undefined", r"undefined|illegal|invalid instruction|breakpoint instruction", "fault_undefined"),
]


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("kind,cause,function", FAULTS, ids=[f[0] for f in FAULTS])
def test_fault_is_reported(boot, arch, kind, cause, function):
    machine = boot(arch, build="debug", cpus=2)
    machine.prompt()
    machine.child.send(f"fault {kind}\r")
    machine.expect("PANIC: ", 30)
    machine.expect(r"The hypervisor has stopped\.", 30)
    report = plain(machine.child.before)
    first, rest = report.split("\n", 1)
    assert re.search(cause, first, re.IGNORECASE), first
    assert "PANIC again" not in rest, rest
    assert re.match(r"cpu \d+, thread monitor\n", rest), rest
    backtrace = rest.split("backtrace:\n")[1].split("last log lines:")[0]
    assert kind == "stack" or re.search(r"^  0x[0-9a-f]+ thread_start\+0x[0-9a-f]+$", backtrace, re.MULTILINE), backtrace
    assert function is None or function in backtrace, backtrace
    assert "boot to prompt" in rest


@pytest.mark.parametrize("arch", ["x86_64"])
def test_a_panic_restarts_the_machine_where_the_configuration_says_so(boot, arch):
    machine = boot(arch, "[host]\nconfig = 1\npanic = reboot\n", build="debug")
    machine.prompt()
    machine.child.send("fault null\r")
    machine.expect("PANIC: ")
    assert machine.wait_end() == 0  # QEMU runs with -no-reboot: a reset ends it
