# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Translated guests in the hypervisor: emitted code in its cage."""
import re

import pytest

from conftest import TOP
from test_micro import ended, verdict


@pytest.mark.parametrize("engine", ["jit", "hybrid"])
def test_a_riscv64_machine_does_what_it_must_on_an_x86_64_host(boot, engine):
    config = ("[ennead]\nconfig = 1\nconsole = a\n\n[vm a]\narch = riscv64\nmemory = 64M\nkernel = micro\n"
              f"engine = {engine}\ncmdline = suite\n")
    machine = boot("x86_64", config, [("micro", TOP / "build/riscv64/guests/micro")], memory=1024)
    verdict(ended(machine, 600))
    machine.child.send("\x1d")
    machine.prompt()
    log = machine.run("log")
    assert re.search(rf"a: started on {engine}", log) and "translated code" not in log
