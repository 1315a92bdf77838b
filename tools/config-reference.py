#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Write docs/configuration.md from kernel/config_keys.def; with --check, say whether it is up to date."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
KEYS = TOP / "kernel/config_keys.def"
PAGE = TOP / "docs/configuration.md"

HEAD = """# Configuration

<!-- Made from kernel/config_keys.def by tools/config-reference.py: edit there. -->

`ennead/ennead.ini` on the boot volume is a plain text file: one `[host]` section for the hypervisor, one `[vm NAME]` section
for each guest, and one `[disk NAME]` or `[network NAME]` section for each disk and network that guests name. A line is `key = value`; lines that begin with `;` or `#` are comments (a `;` inside a value belongs to
it: kernel command lines hold semicolons). A line has at most 4094 bytes.

A mistake disables its own section only, and the system comes up: the log names file, line, what was found and what is expected.
`config` in the monitor shows what is in force, and `config KEY` tells what a key means. On any Linux machine
`build/hosted/ennead check FILE` (made by `make hosted`) tells all mistakes of a file before it goes to the stick, and
which of the files that it names are missing there. Paths are relative to the root of the boot volume, with `/` between folders.

```ini
[host]
log = info

[vm web]
memory  = 512M
cpus    = 2
kernel  = guests/vmlinuz
initrd  = guests/initrd.img
cmdline = console=ttyS0 root=/dev/vda
disk    = root
net     = lan

[disk root]
file = guests/root.img

[network lan]
```
"""

SECTIONS = {"host": "[host]", "vm": "[vm NAME]", "disk": "[disk NAME]", "network": "[network NAME]"}
KEY = re.compile(r'^CONFIG_KEY\((\w+), (\w+), (\w+), "([^"]*)", "([^"]*)", "([^"]*)"\)$', re.M)


def expected(kind, limit):
    if kind in ("NUMBER", "SIZE"):
        least, most = limit.split("..")
        what = "a size (K, M, G, T)" if kind == "SIZE" else "a number"
        return f"`{least}`" if least == most else f"{what} between `{least}` and `{most}`"
    if kind == "BOOL":
        return "`yes` or `no`"
    if kind == "CHOICE":
        return ", ".join(f"`{c}`" for c in limit.split("|"))
    if kind == "LIST":
        return limit
    return {"TEXT": "text", "FILE": "path of a file", "CPUS": "CPUs, such as `0-3,8`"}[kind]


def page():
    keys = KEY.findall(KEYS.read_text())
    text = HEAD
    for section, title in SECTIONS.items():
        text += f"\n## `{title}`\n\n| key | value | default | what it does |\n| --- | --- | --- | --- |\n"
        for where, name, kind, default, limit, help_text in keys:
            if where == section:
                shown = f"`{default}`" if default else "none"
                text += f"| `{name}` | {expected(kind, limit)} | {shown} | {help_text} |\n"
    return text


def main():
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != page():
            sys.exit(f"{PAGE.name} is older than {KEYS.name}: run tools/config-reference.py")
    else:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page())


main()
