# SPDX-License-Identifier: BSD-2-Clause-Patent
"""
Boots of each host to the monitor. The list covers every pair of the values of CPUs, memory, firmware tables, virtualization and storage at least
once over the three architectures; each boot runs every command and compares what the machine says with what QEMU was told.
"""
import re

import pytest

from conftest import ARCHES

GIB, TIB = 1024, 1024 * 1024
SV48 = "rv64,h=true,sv57=off"
SV39 = "rv64,h=true,sv57=off,sv48=off"

# arch, CPUs, MiB, device tree, CPU model, storage, further options
BOOTS = [
    ("x86_64", 1, 512, False, "max", "usb", ""),
    ("x86_64", 4, 8 * GIB, False, "EPYC,+svm,+npt", "virtio", ""),
    ("x86_64", 64, TIB, False, "max,phys-bits=42", "nvme", ""),
    ("aarch64", 1, 512, True, "cortex-a72", "usb", ""),
    ("aarch64", 4, 8 * GIB, False, "max,pauth-impdef=on", "virtio", ""),
    ("aarch64", 64, TIB, True, "max,pauth-impdef=on", "virtio", ""),
    ("aarch64", 4, 512, False, "neoverse-n1", "usb", ""),
    ("riscv64", 1, 8 * GIB, True, "rv64,h=true", "usb", ""),
    ("riscv64", 4, 512, False, SV48, "virtio", ""),
    ("riscv64", 64, TIB, False, "rv64,h=true", "virtio", ""),
    ("riscv64", 1, 512, False, SV39, "virtio", ""),
    ("riscv64", 4, 1024, False, "rv64,h=true", "usb", "aia=aplic-imsic,aia-guests=3"),
]
COMMANDS = ["help", "host", "cpus", "mem", "irq", "log", "threads", "config", "vm list"]


def memory_backend(arch, mib):
    """Memory that QEMU does not reserve: a terabyte on a small machine."""
    if mib < TIB:
        return {"memory": mib}
    return {"memory": mib, "extra": ("-object", f"memory-backend-ram,id=ram,size={mib}M,reserve=off"),
            "machine_options": "memory-backend=ram"}


def check_report(machine, arch, cpus, mib, fdt, storage):
    answers = {command: machine.run(command) for command in COMMANDS}
    host = answers["host"]
    # Debian's OpenSBI runs out of its own memory near 60 harts: those that it cannot start must be named.
    lost = len(re.findall(r"CPU \d+ \(.*\) did not come up", answers["log"])) if arch == "riscv64" and cpus > 32 else 0
    online = cpus - lost
    assert lost < 8
    assert f"{online} online" in host
    assert len(re.findall(r"^cpu \d+: .* online", answers["cpus"], re.M)) == online
    usable = int(re.search(r"(\d+) MiB, of which", host)[1])
    assert 0.80 * mib <= usable <= mib
    assert ("device tree: none" in host) != fdt
    assert ("ACPI: none" in host) == fdt
    assert ("no keyboard" in host) == (storage != "usb")  # storage on USB is behind an xHCI controller
    if storage == "nvme":
        assert "NVMe" in host
    used = int(re.search(r"hypervisor memory: (\d+) bytes", answers["mem"])[1])
    assert used <= (8 if cpus <= 4 and mib < TIB else 48) * 1024 * 1024
    assert "PANIC" not in answers["log"] and "error:" not in answers["log"]
    assert "monitor" in answers["threads"] and len(re.findall(r"idle/\d+", answers["threads"])) >= online
    for command in ("vm list", "poweroff"):
        assert command in answers["help"]


@pytest.mark.parametrize("arch,cpus,mib,fdt,cpu,storage,options", BOOTS,
                         ids=[f"{b[0]}-{b[1]}cpu-{b[2]}M-{'fdt' if b[3] else 'acpi'}-{b[5]}" for b in BOOTS])
def test_boot_to_monitor(boot, arch, cpus, mib, fdt, cpu, storage, options):
    host = memory_backend(arch, mib)
    host["machine_options"] = ",".join(filter(None, [host.get("machine_options"), options]))
    machine = boot(arch, cpus=cpus, cpu=cpu, storage=storage, acpi=not fdt, timeout=120 + 4 * cpus, **host)
    machine.prompt(timeout=240)
    check_report(machine, arch, cpus, mib, fdt, storage)
    machine.child.send("poweroff\r")
    assert machine.wait_end() == 0


@pytest.mark.parametrize("arch,host,reason", [
    ("x86_64", {"cpu": "qemu64,-svm"}, "SVM"),
    ("aarch64", {"machine": "virt,virtualization=off,gic-version=3"}, "EL1"),
    ("riscv64", {"cpu": "rv64,h=false"}, "the H "),
], ids=["x86_64", "aarch64", "riscv64"])
def test_without_virtualization_it_comes_up_and_says_why(boot, arch, host, reason):
    machine = boot(arch, "[host]\nconfig = 1\n\n[vm guest]\nkernel = ennead/ennead.ini\n"
                         "engine = hardware\nautostart = no\n", **host)
    machine.prompt(timeout=240)
    assert reason in machine.run("host")
    answer = machine.run("vm start guest")
    assert "was not started" in answer and reason in answer


@pytest.mark.parametrize("arch", ARCHES)
def test_reboot_resets_the_machine(boot, arch):
    machine = boot(arch)
    machine.prompt(timeout=240)
    machine.child.send("reboot\r")
    assert machine.wait_end() == 0  # QEMU runs with -no-reboot: a reset ends it


@pytest.mark.parametrize("arch", ["x86_64"])
def test_mistakes_in_the_configuration_are_told_and_survived(boot, arch):
    machine = boot(arch, "[host]\nconfig = 1\nlogg = info\n\n[vm a]\nmemory = lots\n\n[vm b]\nautostart = no\n")
    text = machine.prompt(timeout=240)
    assert "ennead/ennead.ini, line 3" in text and "logg" in text
    assert "ennead/ennead.ini, line 6" in text and "lots" in text
    listing = machine.run("vm list")
    assert re.search(r"^a\s+stopped .*line 6", listing, re.M), listing
    assert re.search(r"^b\s+stopped", listing, re.M)


@pytest.mark.parametrize("arch", ["x86_64"])
def test_line_editing_history_and_completion(boot, arch):
    machine = boot(arch)
    machine.prompt(timeout=240)
    machine.child.send("xhelp\x01\x1b[C\x1b[D\x1b[3~\r")    # Ctrl-A, right, left, delete
    machine.expect("Lists the guests")
    machine.prompt()
    machine.child.send("thr\t\r")
    machine.expect("idle/0")
    machine.prompt()
    machine.child.send("\x1b[A\x1b[A\r")                     # two up: help again
    machine.expect("Lists the guests")
    machine.prompt()
    assert "no command 'vmm'" in machine.run("vmm")


@pytest.mark.parametrize("arch,options,extra,name", [
    ("x86_64", "kernel-irqchip=split", ("-device", "intel-iommu"), "VT-d"),
    ("aarch64", "iommu=smmuv3", (), "SMMUv3"),
    ("riscv64", "", (), None),
], ids=["vt-d", "smmu", "none"])
def test_the_report_names_the_iommu(boot, arch, options, extra, name):
    machine = boot(arch, acpi=arch != "riscv64", machine_options=options, extra=extra)
    machine.prompt(timeout=240)
    report = machine.run("host")
    assert f"IOMMU: {name}, not used" in report if name else "IOMMU: none" in report


# What QEMU's models say of themselves: `max` that it is immune (CSV2, CSV3, SSBS), Cortex-A72 nothing; QEMU's firmware has no
# workarounds. An AMD processor has no need of what mends Intel's; QEMU has no IBPB.
SPECULATION = {
    ("aarch64", "max,pauth-impdef=on"): {"reading across privilege levels": "not needed", "WORKAROUND_1": "not needed",
                                         "WORKAROUND_2": "not needed", "WORKAROUND_3": "not needed"},
    ("aarch64", "cortex-a72"): {"reading across privilege levels": "missing", "WORKAROUND_1": "missing",
                                "WORKAROUND_2": "missing", "WORKAROUND_3": "missing"},
    ("x86_64", "max"): {"IBPB": "missing", "return stack filling": "applied", "SPEC_CTRL": "not needed",
                        "VERW": "not needed", "L1 data cache flush": "not needed"},
}


@pytest.mark.parametrize("arch,cpu", SPECULATION, ids=["-".join(key).split(",")[0] for key in SPECULATION])
def test_the_report_tells_each_measure_against_speculation(boot, arch, cpu):
    machine = boot(arch, cpu=cpu)
    machine.prompt()
    host = machine.run("host")
    for measure, state in SPECULATION[arch, cpu].items():
        assert re.search(rf"{measure}.*\b{state}\b", host), measure
