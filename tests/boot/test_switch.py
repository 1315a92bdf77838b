# SPDX-License-Identifier: BSD-2-Clause-Patent
"""What was decided against speculation stands in the kernel where it belongs: no emulator would notice if it were gone."""
import re
import subprocess

import pytest

from conftest import TOP

LINE = re.compile(r"^ *[0-9a-f]+:\t(\S+) *\t?(.*?)(?: *(?://|#).*)?$")
X86_REGISTERS = ["ax", "cx", "dx", "bx", "bp", "si", "di"]


@pytest.fixture(scope="module")
def functions():
    """Of an architecture's kernel: each function's instructions, as (name, operands)."""
    known = {}

    def of(arch):
        if arch not in known:
            text = subprocess.run([f"{arch}-linux-gnu-objdump", "-d", "--no-show-raw-insn", TOP / f"build/{arch}/kernel.debug"],
                                  check=True, capture_output=True, text=True).stdout
            known[arch] = {}
            for part in re.split(r"\n\n(?=[0-9a-f]+ <)", text)[1:]:
                name = re.match(r"[0-9a-f]+ <(.*)>:", part.strip())[1]
                known[arch].setdefault(name, []).extend(m.groups() for m in map(LINE.match, part.split("\n")) if m)
        return known[arch]

    return of


def position(code, name, operands="", start=0):
    """Where the first instruction from `start` on is that matches both; an error when there is none."""
    return next(i for i in range(start, len(code)) if re.fullmatch(name, code[i][0]) and re.search(operands, code[i][1]))


def callers(functions, name):
    return {f for f, code in functions.items() if any(re.search(rf"<{name}>$", operands) for _, operands in code)}


def overwritten(code, start):
    """The x86_64 registers that are written from `start` on, by number of their encoding's order or name."""
    names = set()
    for instruction, operands in code[start:]:
        register = re.search(r"%(?:[er]?(ax|cx|dx|bx|bp|si|di)|(r\d+)d?)$", operands)
        if register and (instruction in ("pop", "mov") or instruction == "xor" and len(set(operands.split(","))) == 1):
            names.add(register[1] or register[2])
    return names


def test_another_guest_finds_no_predictions_of_the_last_one_on_x86_64(functions):
    """IBPB and 32 calls that no return belongs to, at each switch to another guest, whatever runs it."""
    kernel = functions("x86_64")
    barrier = kernel["x86_guest_barrier"]
    assert position(barrier, "wrmsr", start=position(barrier, "mov", r"^\$0x49,%ecx"))  # PRED_CMD
    count = position(barrier, "mov", r"^\$0x20,")
    trap = position(barrier, "call", start=count)
    assert [name for name, _ in barrier[trap + 1:trap + 4]] == ["pause", "lfence", "jmp"]
    assert position(barrier, "lfence", start=trap + 4)
    assert {"svm_load", "vmx_load"} < callers(kernel, "x86_guest_barrier")
    assert len(callers(kernel, "x86_guest_barrier")) == 3  # and emitted code's


@pytest.mark.parametrize("enter, exits", [("svm_enter", "vmload"), ("vmx_enter", "vmlaunch")])
def test_no_guest_value_stays_in_a_register_on_x86_64(functions, enter, exits):
    kernel = functions("x86_64")
    code = kernel[enter] + kernel["vmx_exited"] if enter == "vmx_enter" else kernel[enter]
    last = max(i for i, (name, _) in enumerate(code) if name == exits)
    stored = max(i for i, (_, operands) in enumerate(code) if operands.startswith("%r15,"))
    assert overwritten(code, max(last, stored) + 1) >= set(X86_REGISTERS) - {"ax"} | {f"r{n}" for n in range(8, 16)}


def test_buffers_are_cleared_before_a_guest_on_x86_64(functions):
    """VERW right before the entry, of VT-x and of emitted code; the level 1 data cache before an entry of VT-x."""
    kernel = functions("x86_64")
    entry = kernel["vmx_enter"]
    assert position(entry, "verw") < position(entry, "vmresume") and position(entry, "verw") < position(entry, "vmlaunch")
    assert {name for name, code in kernel.items() if any(i == "verw" for i, _ in code)} > {"vmx_enter"}
    run = kernel["vmx_run"]
    assert position(run, "wrmsr", start=position(run, "mov", r"^\$0x10b,%ecx"))  # FLUSH_CMD


def test_nothing_runs_ahead_of_an_exception_return_on_aarch64(functions):
    """Instructions behind an ERET may be speculated as if it were none."""
    assert position(functions("aarch64")["el2_enter"], "eret")
    for name, code in functions("aarch64").items():
        for i, (instruction, _) in enumerate(code):
            if instruction == "eret":
                assert [n for n, _ in code[i + 1:i + 3]] in (["dsb", "isb"], ["sb"]), name


def test_firmware_is_asked_between_guests_and_after_exits_on_aarch64(functions):
    """WORKAROUND_1 right after VTTBR_EL2 has changed; after an exit 1 or 3 before any indirect branch."""
    kernel = functions("aarch64")
    load = kernel["el2_load"]
    change = position(load, "msr", "^vttbr_el2")
    assert position(load, "bl", "<speculation_other_guest>", change) < change + 4
    assert callers(kernel, "speculation_other_guest") == {"el2_load"}
    run = kernel["el2_run"]
    returned = position(run, "bl", "<el2_enter>")
    asked = position(run, "cbnz", start=returned)
    assert not any(name in ("br", "blr", "bl") for name, _ in run[returned + 1:asked])
    assert any("<smccc_call>" in operands for _, operands in run)
