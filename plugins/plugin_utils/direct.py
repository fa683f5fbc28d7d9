# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way for tasks that are one request and one answer: the engine is asked over the connection, without a module in between.

A module costs the host 170 ms of processor time before its first line runs, ten times what the engine needs to find that
nothing has to change. The answer is the module's to the letter; whatever can't go this way goes the module's.
"""

from __future__ import annotations

import json

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils._ansible.container_options import CONTAINER
from ..module_utils._ansible.delivery import DEFAULT_ROOT, program
from ..module_utils._ansible.info_options import CONTAINER_INFO, IMAGE_INFO
from ..module_utils._ansible.request import ENGINE, finished, request_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible.plugins.action import ActionBase

# Modules that do nothing on the host but ask: their options are all that has to be known of them.
SPECS = {"container": CONTAINER, "container_info": CONTAINER_INFO, "container_image_info": IMAGE_INFO}


def may_go(action: ActionBase, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> bool:
    """Whether a request can be written to a program's standard input on this connection; `berth_direct: false` forbids it.

    Becoming another user may want the standard input for itself, unless the user has said by pipelining that it does not.
    """
    connection, kind = action._connection, module.rpartition(".")[2]
    root = str(arguments.get("root") or "")
    return (
        kind in SPECS
        and task_vars.get("berth_direct", True) is not False
        and not action._task.async_val
        and not any(action._task.environment or ())  # a module is given that, a plain command is not
        and bool(connection.has_pipelining)
        and getattr(connection._shell, "SHELL_FAMILY", "") == "sh"
        and (connection.become is None or bool(action._is_pipelining_enabled("new")))
        and not set("~$") & set(root)  # that is for the host to expand
    )


def ask(action: ActionBase, module: str, pinned: dict[str, Any]) -> dict[str, Any] | None:
    """The task's result, or None when there was no answer: the engine may have to be delivered first."""
    kind = module.rpartition(".")[2]
    checked = ArgumentSpecValidator({**SPECS[kind], **ENGINE}).validate(pinned)
    if checked.error_messages:
        first = checked.errors[0]
        what = f"Unsupported parameters for ({module}) module: " if isinstance(first, UnsupportedError) else ""
        return {"failed": True, "changed": False, "msg": f"{what}{checked.errors.msg}"}
    params = checked.validated_parameters
    task = action._task
    request = request_of(kind, params, params, check=bool(task.check_mode), diff=bool(task.diff))
    path = program(f"{root_word(action, params['root'])}/engine", params["engine"])
    said = action._low_level_execute_command(f"{path} api", in_data=json.dumps(request).encode())
    try:
        reply = json.loads(said["stdout"])
        result = _result(reply, diff=bool(task.diff))
    except (ValueError, KeyError, TypeError):
        return None
    shown = {key: value for key, value in params.items() if key != "engine"}
    answer: dict[str, Any] = wrap_var({**result, "invocation": {"module_args": shown}})
    return answer


def root_word(action: ActionBase, root: str | None) -> str:
    """The state's root as a word for the host's shell, which alone knows the host's $BERTH_ROOT."""
    if root:
        return str(action._connection._shell.quote(root))
    return f'"${{BERTH_ROOT:-{DEFAULT_ROOT}}}"'


def _result(reply: dict[str, Any], *, diff: bool) -> dict[str, Any]:
    if not reply["ok"]:
        return {
            "failed": True,
            "changed": False,
            "msg": reply["error"]["message"],
            "error_kind": reply["error"]["kind"],
        }
    return {**finished(reply, diff=diff), **({"warnings": reply["warnings"]} if reply["warnings"] else {})}
