# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to the engine and one answer from it: all that a module does besides describing its options."""

from __future__ import annotations

import json
import os
import sys

from .delivery import engine_home, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from ansible.module_utils.basic import AnsibleModule

# What every module has: the engine that carries out the request, filled in by the action plugin, and where its state is.
ENGINE: dict[str, dict[str, Any]] = {"engine": {"type": "str"}, "root": {"type": "path"}}


def answer(module: AnsibleModule, verb: str, params: dict[str, Any] | None = None) -> NoReturn:
    """Ask, then end the module with what the engine said."""
    finish(module, ask(module, verb, params))


def ask(module: AnsibleModule, verb: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """The engine's answer {"changed", "diff", "result", "warnings"}; any other outcome ends the module."""
    given = module.params if params is None else params
    request = request_of(verb, given, module.params, check=module.check_mode, diff=module._diff)
    command = [sys.executable, "-I", "-S", find_engine(module), "api"]
    status, out, err = module.run_command(command, data=json.dumps(request), handle_exceptions=False)
    try:
        reply = json.loads(out)
    except ValueError:
        last = (err or out).strip().rpartition("\n")[2]
        module.fail_json(msg=f"the engine ended with status {status} and no answer: {last}", exception=err or out)
    if not reply["ok"]:
        module.fail_json(msg=reply["error"]["message"], error_kind=reply["error"]["kind"])
    return dict(reply)


def finish(module: AnsibleModule, reply: dict[str, Any], **more: Any) -> NoReturn:
    """End the module with an answer; `more` is added to its result."""
    for warning in reply["warnings"]:
        module.warn(warning)
    module.exit_json(**finished(reply, diff=module._diff), **more)


def request_of(verb: str, given: dict[str, Any], common: dict[str, Any], *, check: bool, diff: bool) -> dict[str, Any]:
    """What the engine reads. Options that the user left out are left out of it too: no opinion."""
    return {
        "verb": verb,
        "root": common["root"],
        "check": check,
        "diff": diff,
        "params": {key: value for key, value in given.items() if key not in ENGINE and value is not None},
    }


def finished(reply: dict[str, Any], *, diff: bool) -> dict[str, Any]:
    """A task's result out of the engine's answer."""
    result = {"changed": reply["changed"], **reply["result"]}
    return {**result, "diff": reply["diff"]} if diff else result


def find_engine(module: AnsibleModule) -> str:
    """The program of the engine that the controller pinned; without it the action plugin must deliver, then ask again."""
    must_be_root(module)
    digest, home = module.params["engine"], engine_home(module.params["root"])
    if not digest:
        module.fail_json(msg=f"{module._name} runs through its action plugin berth.containers.engine only")
    path = program(home, digest)
    if not os.path.exists(path):
        module.fail_json(msg=f"there is no engine {digest[:12]} below {home}", engine_missing=True)
    return path


def must_be_root(module: AnsibleModule) -> None:
    """End the module unless it runs as root."""
    if os.geteuid() != 0:
        module.fail_json(msg=f"{module._name} needs root on this host: use become: true", error_kind="NotPermitted")
