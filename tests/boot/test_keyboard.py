# SPDX-License-Identifier: BSD-2-Clause-Patent
"""USB keyboards: the machine is driven by keys of an emulated keyboard alone, nothing is typed on the serial port."""
import re

import pytest

from conftest import ARCHES

SYMBOLS = {" ": "spc", "-": "minus", "\n": "ret", ".": "dot", "/": "slash"}


def keys(machine, names, down):
    """Let keys (QEMU's names) go down or up. Each goes at once, so that nothing is held when a keyboard is unplugged."""
    machine.host.monitor(execute="input-send-event", arguments={"events": [
        {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}} for name in names]})


def press(machine, key):
    """Press and let go of a key, or of several that are joined by '-'."""
    names = key.split("-")
    keys(machine, names, True)
    keys(machine, names[::-1], False)


def type_text(machine, text):
    """Text as on a US keyboard; each character is awaited on the serial port, where it is echoed."""
    for char in text:
        press(machine, SYMBOLS.get(char, char))
        machine.expect(re.escape(char) if char != "\n" else "\r?\n")


def plug(machine, *device):
    machine.host.monitor(execute="human-monitor-command", arguments={"command-line": " ".join(device)})


def keyboard_found(machine, port=None):
    machine.expect(rf"keyboard 0627:0001 at port {port or '[0-9]+'}, layout [a-z]+")
    machine.prompt()  # a log line brings it again


def keyboard_lost(machine):
    machine.expect("keyboard 0627:0001 was unplugged")
    machine.prompt()


@pytest.mark.parametrize("arch", ARCHES)
def test_keyboard_hub_and_hot_plug(boot, arch):
    machine = boot(arch, keyboard=True, extra=("-device", "usb-hub,id=hub,port=3"))
    keyboard_found(machine)
    machine.expect("hub 0409:55aa with 8 ports")
    machine.prompt()

    type_text(machine, "usb\n")
    listing = machine.prompt()
    assert re.search(r"port \d+  0627:0001  high speed, keyboard", listing)
    assert re.search(r"port \d+  0409:55aa  full speed, hub", listing)

    # A second one behind the hub, while the machine runs.
    plug(machine, "device_add", "usb-kbd,id=second,port=3.4")
    keyboard_found(machine, 4)
    type_text(machine, "log debug\n")  # QEMU sends keys to the keyboard that came last
    machine.prompt()
    plug(machine, "device_del", "second")
    keyboard_lost(machine)
    type_text(machine, "help pci\n")
    machine.expect("One line for each PCI function")

    # A hub goes with all that is behind it, and comes again.
    plug(machine, "device_add", "usb-kbd,id=third,port=3.1")
    keyboard_found(machine, 1)
    plug(machine, "device_del", "hub")
    keyboard_lost(machine)
    type_text(machine, "cpus\n")
    machine.prompt()


@pytest.mark.parametrize("arch", ARCHES)
def test_a_held_key_repeats(boot, arch):
    machine = boot(arch, keyboard=True)
    keyboard_found(machine)
    keys(machine, ["x"], True)
    machine.expect("x{8}")
    keys(machine, ["x"], False)
    press(machine, "ctrl-c")
    machine.prompt()


def test_layout_of_the_configuration(boot):
    machine = boot("x86_64", "[host]\nconfig = 1\nkeyboard = de\n", keyboard=True)
    keyboard_found(machine)
    for key, wanted in [("y", "z"), ("z", "y"), ("shift-7", "/"), ("alt_r-q", "@"), ("minus", "\xdf"),
                         ("semicolon", "\xf6"), ("shift-apostrophe", "\xc4"), ("less", "<"), ("caps_lock", ""),
                         ("a", "A"), ("apostrophe", "\xc4")]:
        press(machine, key)
        if wanted:
            machine.expect(re.escape(wanted))


def test_interrupts_by_messages(boot):
    """Where the machine has a controller that takes them; elsewhere the tests above ran with a polled one."""
    for arch, options in (("riscv64", "aia=aplic-imsic"), ("aarch64", "gic-version=2")):
        machine = boot(arch, keyboard=True, machine="virt,virtualization=on," + options
                       if arch == "aarch64" else "virt," + options)
        keyboard_found(machine)
        type_text(machine, "usb\n")
        assert "interrupts by messages" in machine.prompt()
        type_text(machine, "irq\n")
        lines = [line.split() for line in machine.prompt().splitlines() if "USB" in line]
        assert lines and int(lines[0][2]) > 10
