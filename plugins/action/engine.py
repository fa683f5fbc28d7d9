# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one action plugin of all modules: what can be decided on the controller is decided there, then the module runs."""

from __future__ import annotations

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean

from ..plugin_utils.delivery import INSTALLER, DeliveringAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ORIGINS = ("rootfs", "bootstrap", "archive", "source_host")


class ActionModule(DeliveringAction):
    """Serves every module of the collection; meta/runtime.yml says so."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task's module with the engine in place."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        module = self._module()
        arguments, host = dict(self._task.args), task_vars or {}
        kind = module.rpartition(".")[2]
        if kind == "environment":
            _check_environment(arguments)
            if boolean(arguments.get("validate_only", False), strict=False):
                return {**result, "changed": False}
        if kind == "container_image" and arguments.get("source_host") and arguments.get("state") != "absent":
            from ..plugin_utils.source_host import copy_image

            return {**result, **copy_image(self, module, arguments, host)}
        if kind == "container_image" and not boolean(arguments.get("remote_src", True), strict=False):
            return {**result, **self._run_with_upload(module, arguments, host)}
        return {**result, **self.run_delivered(module, arguments, host)}

    def _module(self) -> str:
        """The full name of the task's module. ansible-core before 2.19 says this plugin's instead where it resolved one."""
        resolved, named = str(self._task.resolved_action or ""), str(self._task.action)
        return resolved if resolved and resolved != INSTALLER else f"berth.containers.{named.rpartition('.')[2]}"

    def _run_with_upload(self, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """What the image is made of is on the controller: the host says what of it it has already."""
        given = [name for name in _ORIGINS if arguments.get(name) is not None]
        if arguments.get("state") == "absent" or given not in (["rootfs"], ["archive"]) or not arguments.get("name"):
            return self.run_delivered(module, arguments, task_vars)
        path = self._find_needle("files", arguments[given[0]])
        if given == ["archive"]:
            from ..plugin_utils.archive import load_archive

            result = load_archive(self, module, path, arguments, task_vars)
            if result is not None:
                return result
            arguments = {name: value for name, value in arguments.items() if not name.startswith("archive")}
        return self._run_with_rootfs(module, path, arguments, task_vars)

    def _run_with_rootfs(
        self, module: str, path: str, arguments: dict[str, Any], task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        from ..plugin_utils.upload import archive

        local, digest = archive(path, constants.DEFAULT_LOCAL_TMP)
        asked = {**arguments, "rootfs": path, "checksum": digest}
        if self._task.async_val:
            # A job can't ask back.
            self.prepare_job(arguments, task_vars)
            result = {"upload_missing": True}
        else:
            result = self.run_delivered(module, asked, task_vars)
        if result.get("upload_missing"):
            result = self.run_delivered(module, {**asked, "rootfs": self.send(local, "rootfs")}, task_vars)
        return result


def _check_environment(arguments: dict[str, Any]) -> None:
    """Refuse a faulty document before the host is touched."""
    from ..plugin_utils.documents import violations

    document = {kind: arguments[kind] for kind in ("images", "containers") if arguments.get(kind) is not None}
    faults = violations("environment", document)
    if faults:
        raise AnsibleActionFail("\n".join([f"the environment has {len(faults)} fault(s):", *faults]))
