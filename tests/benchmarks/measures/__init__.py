# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per figure of the benchmark; each has `measure(bench)`, which yields the figure's rows."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from ..report import Row
from ..trial import Bench

NAMES = (
    "run_none",
    "run_bridge",
    "exec_true",
    "stop_remove",
    "starts",
    "hundred",
    "commit_file",
    "commit_tree",
    "ansible_loop",
    "memory",
    "throughput",
    "pull",
    "archives",
    "sharing",
    "seccomp",
    "oci_run",
)


def measure(name: str, bench: Bench) -> Iterator[Row]:
    """The rows of the figure of that name."""
    rows: Iterator[Row] = importlib.import_module(f".{name}", __name__).measure(bench)
    return rows
