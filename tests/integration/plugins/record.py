# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes what every task returned as a line of JSON to the file that $BERTH_RECORD names; ansible-core has no such callback."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: record
type: aggregate
short_description: Record results for tests
description: Writes what every task returned as a line of JSON.
options: {}
"""


class CallbackModule(CallbackBase):
    """One line for each result of a host, loop items included."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def _note(self, kind: str, result: Any) -> None:
        fields = {
            "task": result._task.name,
            "kind": kind,
            "host": result._host.get_name(),
            "result": dict(result._result),
        }
        with open(os.environ["BERTH_RECORD"], "a", encoding="utf-8") as file:
            file.write(json.dumps(fields, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task went well."""
        self._note("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task did not; its errors may have been ignored."""
        self._note("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A condition kept a task from running."""
        self._note("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """The host was not reached."""
        self._note("unreachable", result)
