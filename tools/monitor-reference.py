#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Write docs/monitor.md from the monitor's command tables in the sources; with --check, say whether it is up to date."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = TOP / "docs/monitor.md"
FOLDERS = ("kernel", "drivers", "mm", "virtio", "dbt", "arch")
ENTRY = re.compile(r"^TABLE_ENTRY\(monitor_commands, struct monitor_command,\s+\w+\) = \{\n(.*?)^\};", re.M | re.S)
FIELD = re.compile(r"\.(name|usage|summary|help) =((?:\s*\"(?:[^\"\\]|\\.)*\")+)")
STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"")

HEAD = """# The monitor

<!-- Made from the commands' own tables by tools/monitor-reference.py: edit there. -->

The command line of the hypervisor, on every console at once: serial lines, and the screen with a keyboard. `help` lists the commands,
`help COMMAND` tells what stands here, Tab completes commands, guests and keys, Up and Down recall lines. What a command finds wrong
it says in plain words, with what to do next; the guests go on.

Words in capitals are to be replaced, what stands in brackets may be left out.

## For programs

With `-j` among its words every command prints JSON Lines: one object for each line, with `record` as its first member, which says what the
object tells of. Names of records and members stay as they are from release to release; new ones may come. Addresses and registers are strings
(`"0xffffffff81000000"`), sizes are bytes, times nanoseconds. What a command says in words, errors too, is
`{"record":"message","text":"..."}`. Log lines may come between the objects on the same serial line: they begin with `[`, not with `{`.

```
ennead> vm list -j
{"record":"vm","name":"web","state":"running","engine":"svm","vcpus":2,"memory_bytes":268435456,"cpu_percent":1.3,"reason":null}
```

[Records](records.md) lists all of them with their members.
"""


def text_of(strings):
    return "".join(STRING.findall(strings)).replace('\\"', '"').replace("\\n", "\n")


def commands():
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*.c")):
            for entry in ENTRY.findall(path.read_text(encoding="utf-8")):
                yield {name: text_of(strings) for name, strings in FIELD.findall(entry)}


def escaped(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def page():
    found = sorted(commands(), key=lambda c: c["name"])
    parts = [HEAD]
    for title, chosen in (("The host", [c for c in found if not c["name"].startswith("vm ")]),
                          ("Guests", [c for c in found if c["name"].startswith("vm ")])):
        parts.append(f"\n## {title}\n\n| command | what it does |\n| --- | --- |\n")
        for c in chosen:
            usage = f"{c['name']} {c.get('usage', '')}".strip()
            help_text = " ".join(c.get("help", "").split())
            parts.append(f"| `{escaped(usage)}` | {escaped(c['summary'])}.{' ' + escaped(help_text) if help_text else ''} |\n")
    return "".join(parts)


def main():
    text = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print("docs/monitor.md is not what the commands say: run tools/monitor-reference.py")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
