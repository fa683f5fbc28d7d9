# SPDX-License-Identifier: GPL-3.0-or-later
"""`state`, `list`, `ps` and `features`: what is there, and what this runtime can do."""

from __future__ import annotations

from .. import say
from ..options import Command, Option
from .shared import FORMAT, root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Given


def _state(given: Given, asked: Given) -> int:
    from ...oci.looking import state

    say.json_document(state(root(given), asked.operands[0]))
    return 0


def _list(given: Given, asked: Given) -> int:
    from ...oci.looking import everything

    found = everything(root(given))
    if asked.flag("quiet"):
        for item in found:
            say.line(item["id"])
    elif asked.text("format") == "json":
        say.json_line(found)
    else:
        rows = ([str(item[name]) for name in ("id", "pid", "status", "bundle", "created", "owner")] for item in found)
        say.table(("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"), rows)
    return 0


def _ps(given: Given, asked: Given) -> int:
    from ...oci.looking import processes

    found = processes(root(given), asked.operands[0])
    if asked.text("format") == "json":
        say.json_document(found)
    else:
        say.table(("PID",), ((str(pid),) for pid in found))
    return 0


def _features(given: Given, asked: Given) -> int:
    del given, asked
    from ...oci.features import features

    say.json_document(features())
    return 0


VERBS = {
    "state": (Command("oci state", "ID", "Show a container's state.", least=1, most=1), _state),
    "list": (
        Command("oci list", "", "Show all containers.", (FORMAT, Option("-q --quiet", "only ids")), most=0),
        _list,
    ),
    "ps": (Command("oci ps", "ID", "Show the processes in a container.", (FORMAT,), least=1, ends=True), _ps),
    "features": (Command("oci features", "", "Show what this runtime implements.", most=0), _features),
}
