#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh [SUITE..]: the tests of this directory on each Debian (trixie unless told), one machine after the other.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- trixie
for program in qemu-system-x86_64 mmdebstrap mke2fs curl; do
    command -v "$program" >/dev/null || { echo "run.sh: install qemu-system-x86 mmdebstrap e2fsprogs curl first" >&2; exit 2; }
done
result=0
for suite; do
    echo "== $suite"
    # The tests clean up on SIGTERM as on a failure; nothing that hangs outlives this.
    BERTH_VM_SUITE=$suite timeout --kill-after=60 "${BERTH_VM_PATIENCE:-1800}" \
        ./dev exec pytest -q -p no:cacheprovider tests/vm || result=1
done
exit $result
