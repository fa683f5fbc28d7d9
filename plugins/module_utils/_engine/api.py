# SPDX-License-Identifier: GPL-3.0-or-later
"""The door for modules: one JSON request on stdin, one JSON answer on stdout, a table of verbs between."""

from __future__ import annotations

import os
import sys

from . import jsontext
from .answer import Answer
from .errors import EngineError, InvalidSpec, NotPermitted
from .paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

VERBS = {
    "version": ("version", "version"),
    "progress": ("reporting", "progress"),
    "preflight": ("preflight", "preflight"),
    "container": ("container.converge", "container"),
    "container_exec": ("container.execute", "container_exec"),
    "container_commit": ("container.commit", "container_commit"),
    "container_info": ("container.info", "container_info"),
    "container_image": ("image.converge", "container_image"),
    "container_image_export": ("image.export", "container_image_export"),
    "container_image_info": ("image.info", "container_image_info"),
    "container_image_push": ("image.push", "container_image_push"),
    "container_image_receive": ("image.receive", "container_image_receive"),
    "container_registry_login": ("image.login", "container_registry_login"),
    "container_image_tag": ("image.tag", "container_image_tag"),
    "container_image_dedupe": ("container.dedupe", "container_image_dedupe"),
    "container_prune": ("image.prune", "container_prune"),
    "system_df": ("image.df", "system_df"),
    "system_check": ("image.check", "system_check"),
    "environment": ("environment.converge", "environment"),
    "purge": ("environment.purge", "purge"),
}
# They take a listener. Whoever put a token into the environment can ask how far it is, with the verb progress.
_TELLING = ("container_image", "container_image_push", "container_image_receive", "environment")
_TOKEN = "BERTH_PROGRESS"


def answer(request: dict[str, Any]) -> Answer:
    """Carry out one request: {"verb", "root", "check", "params"}."""
    verb = request.get("verb")
    if not isinstance(verb, str) or verb not in VERBS:
        raise InvalidSpec(f"unknown verb {verb!a}: this engine knows {', '.join(sorted(VERBS))}")
    if verb not in ("version", "preflight") and os.geteuid() != 0:
        raise NotPermitted(f"{verb} needs root on this host: use become: true")
    module, name = VERBS[verb]
    package = __package__ or ""
    function = getattr(__import__(f"{package}.{module}", fromlist=[name]), name)
    paths = Paths(request.get("root"))
    if os.geteuid() == 0:
        paths.prepare()
    params, check = request.get("params") or {}, bool(request.get("check"))
    if _TOKEN in os.environ and verb in _TELLING and not check:
        result = _reported(function, paths, params)
    else:
        result = function(paths, params, check=check)
    if not isinstance(result, Answer):
        raise TypeError(f"{verb} answered {type(result).__name__}")
    return result


def _reported(function: Callable[..., object], paths: Paths, params: dict[str, Any]) -> object:
    from .reporting import Reporting

    with Reporting(paths, os.environ[_TOKEN]) as report:
        return function(paths, params, check=False, progress=report)


def main() -> int:
    """Read, answer, write; the exit code is the error's, or 0."""
    try:
        given = answer(jsontext.loads(sys.stdin.buffer.read()))
    except EngineError as error:
        _write({"ok": False, "error": {"kind": type(error).__name__, "message": str(error)}})
        return error.exit_code
    _write({
        "ok": True,
        "changed": given.changed,
        "diff": {"before": given.before, "after": given.after},
        "result": given.result,
        "warnings": list(given.warnings),
    })  # fmt: skip
    return 0


def _write(fields: dict[str, Any]) -> None:
    sys.stdout.write(jsontext.dumps(fields) + "\n")
    sys.stdout.flush()
