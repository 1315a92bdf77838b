# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Benchmarks of the first ten minutes: a class that bench.py's inherits."""
import contextlib
import re
import time

import pexpect

from conftest import GUEST_PROMPT, PROMPT, TOP


class EverydayItems:
    def run_to_shells_s(self, arch):
        """`make run` to the shells of the guests on the hardware, and of all of the demo; libraries, firmware and guests were built before."""
        began = time.monotonic()
        with contextlib.ExitStack() as ends:
            log = ends.enter_context(open(self.log / f"run-{arch}.log", "w", encoding="utf-8"))
            child = pexpect.spawn("make", ["run", f"ARCH={arch}"], cwd=TOP, encoding="utf-8", codec_errors="replace", timeout=1200, logfile=log)
            ends.callback(child.close, force=True)
            child.expect_exact(PROMPT)
            yield f"run_to_prompt_s.{arch}", round(time.monotonic() - began, 1)
            config = (TOP / f"build/{arch}/ennead.ini").read_text(encoding="utf-8")
            guests = re.findall(r"^\[vm (.*)\]$", config, re.M)
            native = [guest for guest in guests if guest.startswith(arch)]
            for guest in guests:
                child.send(f"vm console {guest}\r")
                child.expect("Ennead guest ready: Linux")
                child.expect_exact(GUEST_PROMPT)
                log.write(f"\n=== {guest} is there after {time.monotonic() - began:.1f} s\n")
                child.send("\x1d")
                child.expect_exact(PROMPT)
                if guest == native[-1]:
                    yield f"run_to_native_shells_s.{arch}", round(time.monotonic() - began, 1)
            yield f"run_to_shells_s.{arch}", round(time.monotonic() - began, 1)
            child.send("poweroff\r")
            child.expect(pexpect.EOF)
