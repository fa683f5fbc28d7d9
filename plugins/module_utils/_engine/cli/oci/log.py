# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a caller of the runtime reads what went wrong: a file of lines, as text or as JSON."""

from __future__ import annotations

import os

from ...errors import InvalidSpec
from .. import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..options import Given


def write(given: Given, level: str, sentence: str) -> None:
    """To standard error, and to the log in the form that callers read. `level` is error or warning."""
    say.error(sentence if level == "error" else f"{level}: {sentence}")
    if given.text("log"):
        _append(given, str(given.text("log")), level, sentence)


def debug(given: Given, sentence: str) -> None:
    """With --debug: what is done, in the log, or on standard error without one."""
    if not given.flag("debug"):
        return
    if given.text("log"):
        _append(given, str(given.text("log")), "debug", sentence)
    else:
        say.error(f"level=debug {sentence}")


def _append(given: Given, path: str, level: str, sentence: str) -> None:
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if given.text("log-format") == "json":
        from ... import jsontext

        line = jsontext.dumps({"level": level, "msg": sentence, "time": now})
    else:
        line = f'time="{now}" level={level} msg="{sentence}"'
    try:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(line + "\n")
    except OSError as error:
        say.error(f"{path}: {error.strerror}")


def warner(given: Given) -> Callable[[str], object]:
    """Who is told of what is no error."""
    return lambda sentence: write(given, "warning", sentence)


def check(given: Given) -> None:
    """A log that can't be written must not swallow what goes wrong later."""
    if given.text("log-format") not in (None, "", "text", "json"):
        raise InvalidSpec(f"--log-format: {given.text('log-format')!a} is neither text nor json")
    path = given.text("log")
    if path:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise InvalidSpec(f"--log {path}: {error.strerror}") from error
