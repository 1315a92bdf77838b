# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Python's own tests of the modules that are named: for each how many ran, were skipped, and which failed; no times."""
import sys
import unittest

from test import support

support.use_resources = {}  # what is quick, and stays on this machine
support.verbose = 0
results, sys.stdout = sys.stdout, sys.stderr  # what the tests say themselves
for name in sys.argv[1:]:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName(f"test.{name}").run(result)
    bad = sorted(str(test) for test, _ in result.failures + result.errors)
    print(f"{name}: {result.testsRun} ran, {len(result.skipped)} skipped, {len(bad)} failed", *bad, sep="\n    ", file=results, flush=True)
    for test, text in result.failures + result.errors:
        print(test, text, file=sys.stderr)
