#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Write compile_commands.json from lines "SOURCE COMMAND..." on standard input; a source's first line counts."""
import json
import os
import sys


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    commands = {}
    for line in sys.stdin:
        source, _, command = line.strip().partition(" ")
        if source.endswith(".c") and command:
            commands.setdefault(source, command)
    entries = [{"directory": os.getcwd(), "file": source, "command": command}
               for source, command in sorted(commands.items())]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)


if __name__ == "__main__":
    main()
