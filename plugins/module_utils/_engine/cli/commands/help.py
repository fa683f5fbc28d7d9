# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth help`: what commands there are, or one command's help."""

from __future__ import annotations

from .. import say
from ..options import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command("help", "[COMMAND]", "Show what there is, or what a command takes.", most=1)


def run(paths: Paths, given: Given) -> int:
    from ..main import COMMANDS, GLOBAL, load

    if given.operands:
        say.text(load(given.operands[0]).COMMAND.help())
        return 0
    lines = [
        "usage: berth [OPTION...] COMMAND [ARG...]",
        "",
        "Isolated processes on this host, without a daemon.",
        "",
        "commands:",
    ]
    lines += [f"  {name:9} {_first_sentence(load(name).COMMAND.about)}" for name in COMMANDS]
    lines += ["", "options:", *GLOBAL.show_options(), "", "berth COMMAND --help tells what a command takes."]
    say.text("\n".join(lines) + "\n")
    return 0


def _first_sentence(about: str) -> str:
    return about.replace("\n", " ").partition(". ")[0].rstrip(".")
