# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of this checkout: delivered to this host as a playbook would, then run. `--path` only tells where it is."""

from __future__ import annotations

import os
import sys
import tempfile

from ansible_collections.berth.containers.plugins.module_utils._ansible.delivery import engine_home, install, program
from ansible_collections.berth.containers.plugins.plugin_utils.bundle import packed, pinned_digest


def deliver() -> str:
    """The path of the engine's program; it is installed when it is not there yet."""
    home = engine_home(None)
    with tempfile.TemporaryDirectory() as cache:
        digest = pinned_digest(cache)
        if not os.path.exists(program(home, digest)):
            install(packed(cache, digest), home, digest)
    return program(home, digest)


if __name__ == "__main__":
    if sys.argv[1:] == ["--path"]:
        print(deliver())
    else:
        os.execv(deliver(), ["berth", *sys.argv[1:]])
