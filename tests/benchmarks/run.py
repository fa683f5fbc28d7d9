# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's front door: `.venv/bin/python tests/benchmarks/run.py --help`."""

from __future__ import annotations

import importlib
import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if __name__ == "__main__":
    sys.exit(importlib.import_module("benchmarks.main").main(sys.argv[1:]))
