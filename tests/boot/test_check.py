# SPDX-License-Identifier: BSD-2-Clause-Patent
"""build/hosted/ennead check: every mistake of a configuration is told once, with its line and what to write instead."""
import pathlib
import re
import subprocess

from conftest import TOP

PROGRAM = TOP / "build/hosted/ennead"
MISTAKES = pathlib.Path(__file__).with_name("mistakes.ini")


def check(*arguments):
    done = subprocess.run([PROGRAM, "check", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    reports = {int(line): text for line, text in re.findall(r"^[^\n]*\.ini:(\d+): (.*)$", done.stdout, re.M)}
    return done, reports


def expected_mistakes():
    """{line: regular expression} of what mistakes.ini says of itself."""
    lines = MISTAKES.read_text().splitlines()
    return {i + 2: line.removeprefix("; wrong: ") for i, line in enumerate(lines) if line.startswith("; wrong: ")}


def test_twenty_mistakes_are_told_with_line_and_remedy():
    done, reports = check(MISTAKES)
    expected = expected_mistakes()
    assert len(expected) == 20
    assert sorted(reports) == sorted(expected)
    for line, pattern in expected.items():
        assert re.search(pattern, reports[line]), (line, reports[line])
    assert "20 mistakes" in done.stdout and done.returncode == 1


def test_files_are_looked_for_on_the_stick(tmp_path):
    ini = tmp_path / "ennead" / "ennead.ini"
    ini.parent.mkdir()
    (tmp_path / "k").write_bytes(b"kernel")
    ini.write_text("[vm a]\nkernel = k\ninitrd = missing\n")
    done, reports = check(ini)
    assert done.returncode == 1 and list(reports) == [1] and "missing" in reports[1]
    (tmp_path / "missing").write_bytes(b"")
    done, reports = check(ini)
    assert done.returncode == 0 and not reports and "no mistakes" in done.stdout


def test_a_file_that_is_not_there_is_another_failure(tmp_path):
    done, _ = check(tmp_path / "no.ini")
    assert done.returncode == 2 and "No such file" in done.stderr
    big = tmp_path / "big.ini"
    big.write_bytes(b"\0" * ((1 << 20) + 1))
    assert check(big)[0].returncode == 2
