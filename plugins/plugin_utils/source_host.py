# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of another host of the inventory: what the target lacks of it goes over the connections that Ansible has, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar

from .bringing import bring, refuse_async
from .delivery import DeliveringAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

INFO, EXPORT = "berth.containers.container_image_info", "berth.containers.container_image_export"
_RIVALS = ("rootfs", "bootstrap", "archive")


def copy_image(
    target: DeliveringAction, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]
) -> dict[str, Any]:
    """The result of container_image for `arguments` with source_host. The blobs that are missing lie in temporary files on the way."""
    _check(target, arguments)
    with opened(target, str(arguments["source_host"]), task_vars) as source:
        offer = source.offer(arguments)

        def export(wanted: set[str], local: str) -> None:
            source.export(arguments, offer, wanted, local)

        return bring(target, module, arguments, task_vars, offer, export)


def _check(target: DeliveringAction, arguments: dict[str, Any]) -> None:
    if not arguments.get("name"):
        raise AnsibleActionFail("missing required arguments: name")
    rivals = [name for name in _RIVALS if arguments.get(name) is not None]
    if rivals:
        raise AnsibleActionFail(f"source_host and {rivals[0]} exclude each other: leave one of them out")
    refuse_async(target, "source_host")


class Source:
    """The host that has the image, as an action of its own on a connection of its own."""

    def __init__(self, name: str, action: DeliveringAction, task_vars: dict[str, Any]) -> None:
        self.name, self._action, self._vars = name, action, task_vars

    def offer(self, arguments: dict[str, Any]) -> dict[str, str]:
        """media_type, manifest and config of the image, as texts."""
        found = self._run(INFO, {"name": [arguments["name"]], "documents": True, **_root(arguments)})["images"]
        if not found:
            raise AnsibleActionFail(
                f"host {self.name} has no image {arguments['name']!a}: pull or make it there before it is copied"
            )
        return {key: str(text) for key, text in found[0]["documents"].items()}

    def export(self, arguments: dict[str, Any], offer: dict[str, str], wanted: set[str], local: str) -> None:
        """Bring those blobs into the file `local` of the controller, in an OCI archive that has nothing else.

        The target has read the manifest by then, more strictly than it is read here.
        """
        action, manifest = self._action, json.loads(offer["manifest"])
        parts = [manifest["config"], *manifest["layers"]]
        digest = _sha256(offer["manifest"])
        others = {digest, *(part["digest"] for part in parts)} - wanted
        shell = action._connection._shell
        if shell.tmpdir is None:
            action._make_tmp_path()
        path = shell.join_path(shell.tmpdir, "image.tar")
        self._run(EXPORT, {"name": digest, "path": path, "omit": sorted(others), **_root(arguments)})
        # Who connects may be another than root; nobody else comes into the directory.
        action._remote_chmod([path], "u=rw,go=r", sudoable=True)
        action._connection.fetch_file(path, local)

    def _run(self, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result = self._action.run_delivered(module, arguments, self._vars)
        if result.get("failed"):
            raise AnsibleActionFail(f"host {self.name}: {result.get('msg', 'it did not answer')}")
        return result


def _root(arguments: dict[str, Any]) -> dict[str, Any]:
    root = arguments.get("source_root") or arguments.get("root")
    return {"root": root} if root else {}


def _sha256(text: str) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@contextlib.contextmanager
def opened(target: DeliveringAction, name: str, task_vars: dict[str, Any]) -> Iterator[Source]:
    """The host `name` of the inventory with its own variables, as `delegate_to` would reach it."""
    hostvars = task_vars["hostvars"]
    if name not in hostvars:
        raise AnsibleActionFail(f"source_host: {name!a} is no host of the inventory")
    variables = dict(hostvars.raw_get(name))
    templar = Templar(loader=target._loader, variables=variables)
    task = target._task.copy()
    task.delegate_to = None
    play = target._play_context.set_task_and_variable_override(task=task, variables=variables, templar=templar)
    kind = _templated(templar, variables, "ansible_connection") or task.connection
    play.connection = kind
    connection = connection_loader.get(
        kind, play, new_stdin=None, task_uuid=task._uuid, ansible_playbook_pid=str(os.getppid())
    )
    if connection is None:
        raise AnsibleActionFail(f"source_host: there is no connection plugin {kind!a}")
    _configure(connection, play, task, templar, variables)
    action = type(target)(
        task=task, connection=connection, play_context=play, loader=target._loader, templar=templar,
        shared_loader_obj=target._shared_loader_obj,
    )  # fmt: skip
    try:
        yield Source(name, action, variables)
    finally:
        action.cleanup(force=True)
        connection.close()


def _templated(templar: Any, variables: dict[str, Any], name: str) -> Any:
    return templar.template(variables[name]) if variables.get(name) is not None else None


def _configure(connection: Any, play: Any, task: Any, templar: Any, variables: dict[str, Any]) -> None:
    """Options of the connection, its shell and its way to become root, from the host's variables, the task's keywords, the defaults."""
    keywords = task.dump_attrs()
    # A task's own retries and timeout are something else than a connection's.
    del keywords["retries"]
    keywords["timeout"] = play.timeout
    if play.password:
        keywords["password"] = play.password
    becomes = _templated(templar, variables, "ansible_become")
    become = None
    if boolean(task.become if becomes is None else becomes, strict=False):
        become = become_loader.get(_templated(templar, variables, "ansible_become_method") or task.become_method)
    connection.set_become_plugin(become)
    play.set_attributes_from_plugin(connection)
    for kind, plugin in (("connection", connection), ("shell", connection._shell), ("become", become)):
        if plugin is None:
            continue
        if kind == "become" and play.become_pass:
            keywords["become_pass"] = play.become_pass
        known = constants.config.get_plugin_vars(kind, plugin._load_name)
        given = {key: templar.template(variables[key]) for key in known if key in variables}
        plugin.set_options(task_keys=keywords, var_options=given)
