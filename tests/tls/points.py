# SPDX-License-Identifier: GPL-2.0-or-later
"""What tls-points prints of files (stdin), as arguments of probe-test. A folder that the files are
seen in, but not by who will use them, is left out of their names."""

import sys

from tests.tls.test_probes import FUNCTIONS

folder = sys.argv[1] if len(sys.argv) > 1 else ""
for line in sys.stdin:
    if not line.startswith("\t"):
        print("--file", line.split(":")[0].removeprefix(folder))
        continue
    name, flags, offset = line.split()
    print(f"{FUNCTIONS[name.upper().replace('-', '_')]}:{int(offset, 0)}:{int(flags, 0)}")
