# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints the arguments of probe-test for the OpenSSL of a program, in words."""

import shutil
import sys

from tests.tls import test_probes as probes

program = shutil.which(sys.argv[1])
for library, wanted in (("libcrypto.so", probes.OPENSSL_KEYS),
                        ("libssl.so", probes.OPENSSL_PLAINTEXT)):
    path = probes.library_of(program, library)
    _, _, *places = probes.points(path, wanted)
    # by the name that the loader uses: only that is copied
    name = probes.subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    print("--file", probes.re.search(rf"{library}\S* => (\S+)", name.stdout).group(1), *places)
