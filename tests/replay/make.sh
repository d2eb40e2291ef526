#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes pods.ssrec, as root: a namespace with two pods, one of which ends and comes back, requests
# between them and on loopback. The recording is what entered the program, frames and all.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec /usr/bin/python3 -m tests.replay.make "$PWD/tests/replay/pods.ssrec"
