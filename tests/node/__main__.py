# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m tests.node [[!]PATTERN...]: run the node tests, one PASS, FAIL or SKIP line each.

A pattern selects tests whose name contains it; with ! before it, it leaves them out. A test that
fails is run once more, alone: if it passes then, it is told as UNSTABLE, which is a bug, ours or
the test's, but not a reason to know nothing of the others. Exit status 1 when a test failed twice.
"""

import fnmatch
import os
import re
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
AGAIN_MAX = 5  # of more, something is broken


class LineResult(unittest.TestResult):
    """Prints a line as each test ends; the traceback of a failure follows it, indented."""

    def __init__(self):
        super().__init__()
        self.passed = 0

    @staticmethod
    def _name(test):
        return test.id().removeprefix("tests.node.")

    def _line(self, verdict, test, detail=""):
        print(f"{verdict} {self._name(test)}{': ' + detail if detail else ''}", flush=True)

    def _failed(self, test, error):
        self._line("FAIL", test, str(error[1]).strip().split("\n")[0])
        trace = self._exc_info_to_string(error, test)
        print("".join(f"     {line}\n" for line in trace.splitlines()), end="", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self._line("PASS", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._failed(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("SKIP", test, reason)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def name_of(test):
    """What to load to run it again: of a subtest its test, of a class's set-up the class."""
    test = getattr(test, "test_case", test)
    return re.sub(r"^\w+ \(([\w.]+)\)$", r"\1", test.id())


def again(result):
    """Runs what failed once more. Returns its result and the names that passed this time."""
    names = {name_of(test) for test, _ in result.failures + result.errors}
    second = LineResult()
    print(f"again, alone: {' '.join(sorted(names))}", flush=True)
    unittest.defaultTestLoader.loadTestsFromNames(sorted(names)).run(second)
    bad = {name_of(test) for test, _ in second.failures + second.errors}
    return second, sorted(name for name in names if not any(one.startswith(name) for one in bad))


def main(patterns):
    # In the background of a shell it is ignored, and so it would be in all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    suite = unittest.defaultTestLoader.discover(HERE, "test_*.py", CHECKOUT)
    wanted = [f"*{pattern}*" for pattern in patterns if not pattern.startswith("!")] or ["*"]
    unwanted = [f"*{pattern[1:]}*" for pattern in patterns if pattern.startswith("!")]
    suite = unittest.TestSuite(
        test
        for test in flatten(suite)
        if any(fnmatch.fnmatch(test.id(), pattern) for pattern in wanted)
        and not any(fnmatch.fnmatch(test.id(), pattern) for pattern in unwanted)
    )
    result = LineResult()
    start = time.monotonic()
    suite.run(result)
    passed, failed = result.passed, len(result.failures) + len(result.errors)
    if 0 < failed <= AGAIN_MAX:
        second, unstable = again(result)
        passed, failed = passed + second.passed, len(second.failures) + len(second.errors)
        for name in unstable:
            print(f"UNSTABLE {name}: failed once, then passed", flush=True)
    took = time.monotonic() - start
    print(f"{passed} passed, {failed} failed, {len(result.skipped)} skipped in {took:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
