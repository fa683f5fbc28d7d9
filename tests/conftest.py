# SPDX-License-Identifier: GPL-3.0-or-later
"""A skip is a hole in the proof: in CI, only the reasons that tests/skips.txt lists may make one."""

from __future__ import annotations

import fnmatch
import os
import pathlib

import pytest

ALLOWED = pathlib.Path(__file__).with_name("skips.txt")

skipped: list[tuple[str, str]] = []


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The sentence given to pytest.skip, without pytest's own prefix."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def unlisted() -> list[tuple[str, str]]:
    """Skips that no pattern of the list allows."""
    patterns = [line for line in ALLOWED.read_text().splitlines() if line and not line.startswith("#")]
    return [(test, why) for test, why in skipped if not any(fnmatch.fnmatchcase(why, p) for p in patterns)]


def note(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Remember a skip; an expected failure is reported as one too, and is none."""
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append((report.nodeid, reason(report)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") == "true" and unlisted() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, why in unlisted():
        terminalreporter.write_line(f"skip not on tests/{ALLOWED.name}: {test}: {why}", yellow=True)
