# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Entries that the hardware refuses, made illegal on purpose in debug builds: the guest stops, its field is named."""
import re

import pytest

from conftest import TOP, held_memory

# With PSTATE.IL, bit 20: the ERET itself came, and the CPU took it for illegal (Arm ARM D1.3.5).
REFUSED_ERET = r"SPSR_EL2\.M: a processor mode.*code 0x[0-9a-f]*[13579bdf][0-9a-f]{5}\)"
# Per host: for each number of `vm break` the field that the reason must name.
FIELDS = {
    "aarch64": ["SPSR_EL2.M: a processor mode", "SPSR_EL2.M: a processor mode", "SPSR_EL2.M: a processor mode",
                "SPSR_EL2.M: AArch32", "HCR_EL2.TGE", "VTCR_EL2", "HCR_EL2.RW",
                REFUSED_ERET, REFUSED_ERET],
    "x86_64": ["EFER: SVME", "CR0: bits above 31", "CR0: NW", "CR4: bits above 31", "DR6: bits above 31",
               "DR7: bits above 31", "CR4: PAE", "CS: both L and D", "intercepts: VMRUN", "ASID: it is 0"],
    "riscv64": ["the CPU refused hgatp", "the CPU refused hedeleg", "the CPU refused vsatp"],
}


def config():
    vm = "\n[vm {name}]\nmemory = 64M\nkernel = micro\ncmdline = clock period=100\nautostart = yes\n"
    return "[host]\nconfig = 1\n" + vm.format(name="broken") + vm.format(name="other")


@pytest.mark.parametrize("arch", sorted(FIELDS))
def test_refused_entry_names_the_field_and_stops_that_guest_alone(boot, arch):
    machine = boot(arch, config(), [("micro", TOP / f"build/{arch}/guests/micro")], build="debug", memory=1024)
    machine.prompt()
    while "running" not in machine.run("vm info other"):
        pass  # it is started behind the prompt
    assert "stopped" in machine.run("vm stop broken 0")
    before = held_memory(machine)
    for number, field in enumerate(FIELDS[arch]):
        machine.run("vm start broken")
        machine.child.send(f"vm break broken {number}\r")
        text = ""  # two log lines come at its next entry, with the prompt anew after each
        while "illegal from now on" not in text or len(re.findall(field, text)) < 2:
            text += machine.prompt()
        reason = machine.run("vm info broken")
        assert re.search(field, machine.run("log")), field
        assert re.search(field, reason), reason
        assert "running" in machine.run("vm info other")
    assert "past the last one" in machine.run(f"vm break other {len(FIELDS[arch])}")
    machine.run("vm start broken")  # gives back what is kept of a crash
    assert "stopped" in machine.run("vm stop broken 0")
    for _ in range(1000):  # what the last one held is being scrubbed
        if (now := held_memory(machine)) == before:
            break
    assert now == before
