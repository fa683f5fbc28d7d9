# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module on a host that has the engine, or that gets it first: one execution in the common case, no question asked before."""

from __future__ import annotations

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from .bundle import packed, pinned_digest
from .direct import ask, may_go
from .reporter import reporting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INSTALLER = "berth.containers.engine"


class DeliveringAction(ActionBase):
    """An action whose modules find the engine on the host. The engine is a cache and no state: check mode delivers it too."""

    _supports_check_mode = True
    _supports_async = True

    def run_delivered(self, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The result of `module`; the engine is sent when the module, or the host before an async job, says it is missing."""
        ours = pinned_digest(constants.DEFAULT_LOCAL_TMP)
        pinned = {**arguments, "engine": arguments.get("engine") or ours}
        if may_go(self, module, arguments, task_vars):
            answer = ask(self, module, pinned)
            if answer is not None:
                return answer
        with reporting(self, module, pinned, task_vars):
            return self._run_module(module, pinned, task_vars, ours)

    def _run_module(self, module: str, pinned: dict[str, Any], task_vars: dict[str, Any], ours: str) -> dict[str, Any]:
        detached = bool(self._task.async_val and not self._connection.has_native_async)
        if detached and pinned["engine"] == ours:
            # A job can't ask back.
            self._deliver_if_missing(pinned, task_vars)
        result: dict[str, Any] = self._execute_module(
            module_name=module, module_args=dict(pinned), task_vars=task_vars, wrap_async=detached
        )
        if result.get("engine_missing") and pinned["engine"] == ours:
            self._deliver(pinned, task_vars)
            result = self._execute_module(module_name=module, module_args=dict(pinned), task_vars=task_vars)
        return result

    def prepare_job(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """Let the engine be there before something is sent that a job needs: to deliver it clears what was sent before."""
        ours = pinned_digest(constants.DEFAULT_LOCAL_TMP)
        if (arguments.get("engine") or ours) == ours:
            self._deliver_if_missing({**arguments, "engine": ours}, task_vars)

    def send(self, local: str, name: str) -> str:
        """Copy a file of the controller into the task's temporary directory on the host; its path there."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        directory = self._connection._shell.tmpdir
        remote: str = self._connection._shell.join_path(directory, name)
        self._transfer_file(local, remote)
        self._fixup_perms2((directory, remote))
        return remote

    def _deliver_if_missing(self, pinned: dict[str, Any], task_vars: dict[str, Any]) -> None:
        if self._install(pinned, None, task_vars).get("engine_missing"):
            self._deliver(pinned, task_vars)
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _deliver(self, pinned: dict[str, Any], task_vars: dict[str, Any]) -> None:
        local = packed(constants.DEFAULT_LOCAL_TMP, pinned["engine"])
        self._install(pinned, self.send(local, "berth-engine.tar.gz"), task_vars)

    def _install(self, pinned: dict[str, Any], bundle: str | None, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = {"root": pinned.get("root"), "engine": pinned["engine"], "bundle": bundle}
        result: dict[str, Any] = self._execute_module(module_name=INSTALLER, module_args=arguments, task_vars=task_vars)
        if result.get("failed") and not (result.get("engine_missing") and bundle is None):
            raise AnsibleActionFail(result.get("msg", "the engine was not delivered"), result=result)
        return result
