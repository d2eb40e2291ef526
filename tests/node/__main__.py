# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m tests.node [[!]PATTERN...]: run the node tests, one PASS, FAIL or SKIP line each.

A pattern selects tests whose name contains it; with ! before it, it leaves them out. Exit status 1
when a test failed.
"""

import fnmatch
import os
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))


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
    failed = len(result.failures) + len(result.errors)
    took = time.monotonic() - start
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped in {took:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
