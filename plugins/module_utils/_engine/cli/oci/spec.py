# SPDX-License-Identifier: GPL-3.0-or-later
"""`spec`: a configuration to begin with."""

from __future__ import annotations

from ..options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Given


def _spec(given: Given, asked: Given) -> int:
    del given
    from ...oci import example

    example.write(asked.text("bundle") or ".")
    return 0


VERBS = {
    "spec": (
        Command(
            "oci spec",
            "",
            "Write a config.json to begin with.",
            (Option("-b --bundle", "the bundle's directory; the current one if left out", "DIRECTORY"),),
            most=0,
        ),
        _spec,
    ),
}
