#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a container."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_exec
short_description: Run a command in a running container
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Runs one command in a running container, with the container's own rights and limits, and returns what it said.
  - Like M(ansible.builtin.command), it can't know whether the command changes something, and says that it did.
    Use O(creates) and O(removes), or C(changed_when).
options:
  container:
    description: The name or id of the container.
    type: str
    required: true
    aliases: [name]
  command:
    description:
      - The program and its arguments, as a list, or as a string that is split like a shell would. No shell is involved.
      - One of O(command) and O(argv) is needed.
    type: raw
  argv:
    description: The program and its arguments, as a list.
    type: list
    elements: str
  stdin:
    description:
      - What the command reads from its standard input, as text and without a newline added.
      - For secrets, give the task C(no_log). Ansible logs the arguments of modules.
    type: str
  chdir:
    description: The directory of the container to start in.
    type: str
    aliases: [workdir, working_dir]
  env:
    description:
      - Environment variables, on top of the container's.
      - They do not show in a list of processes outside. For secrets, give the task C(no_log).
    type: dict
  user:
    description: Who runs the command, as C(user), C(user:group), C(uid) or C(uid:gid) of the container.
    type: str
  creates:
    description: A path in the container. When it is there, the command is not run.
    type: str
  removes:
    description: A path in the container. When it is not there, the command is not run.
    type: str
  tty:
    description: Whether the command gets a terminal. Its standard output and error are one then.
    type: bool
    default: false
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
attributes:
  check_mode:
    details:
      - The command is not run. Whether it would be is decided by O(creates) and O(removes).
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(creates) or O(removes) only.
seealso:
  - module: ansible.builtin.command
  - module: berth.containers.container
"""

EXAMPLES = r"""
- name: An image to run a container from
  berth.containers.container_image:
    name: base
    bootstrap: busybox

- name: A container to run commands in
  berth.containers.container:
    name: workshop
    image: base
    command: [sleep, "3600"]
    stop_timeout: 1s

- name: Ask who and where
  berth.containers.container_exec:
    container: workshop
    command: id -u
    user: nobody
  register: identity
  changed_when: false

- name: Write a file, once
  berth.containers.container_exec:
    container: workshop
    argv: [sh, -c, "cat > notes"]
    stdin: remember this
    chdir: /tmp
    env:
      LANG: C
    creates: /tmp/notes

- name: Remove the container
  berth.containers.container:
    name: workshop
    state: absent

- name: Remove the image
  berth.containers.container_image:
    name: base
    state: absent
"""

RETURN = r"""
cmd:
  description: The program and its arguments.
  returned: always
  type: list
  elements: str
  sample: [id, -u]
msg:
  description: Why the command was not run, or how it failed.
  returned: when the command was not run or failed
  type: str
  sample: /tmp/notes exists
rc:
  description: The command's exit status, 128 and the signal's number when a signal ended it, 127 when it was not found.
  returned: always, empty or 0 when the command was not run
  type: int
  sample: 0
stdout:
  description: What the command wrote to its standard output.
  returned: always, empty or 0 when the command was not run
  type: str
  sample: "65534"
stdout_lines:
  description: The same, line by line.
  returned: always, empty or 0 when the command was not run
  type: list
  elements: str
  sample: ["65534"]
stderr:
  description: What the command wrote to its standard error.
  returned: always, empty or 0 when the command was not run
  type: str
  sample: ""
stderr_lines:
  description: The same, line by line.
  returned: always, empty or 0 when the command was not run
  type: list
  elements: str
  sample: []
"""

import shlex

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, ask, finish


def arguments(module: AnsibleModule) -> list[str]:
    """The command as a list, whichever way it was given."""
    given = module.params["argv"] if module.params["command"] is None else module.params["command"]
    try:
        words = shlex.split(given) if isinstance(given, str) else [str(word) for word in given]
    except ValueError as error:
        module.fail_json(msg=f"command: {str(error).lower()}: close the quotation or use a list")
    if not words:
        module.fail_json(msg="command: there is nothing to run")
    return words


def main() -> None:
    """One request, one answer; a status other than 0 is a failure."""
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True, "aliases": ["name"]},
            "command": {"type": "raw"},
            "argv": {"type": "list", "elements": "str"},
            "stdin": {"type": "str"},
            "chdir": {"type": "str", "aliases": ["workdir", "working_dir"]},
            "env": {"type": "dict"},
            "user": {"type": "str"},
            "creates": {"type": "str"},
            "removes": {"type": "str"},
            "tty": {"type": "bool", "default": False},
            **ENGINE,
        },
        mutually_exclusive=[("command", "argv")],
        required_one_of=[("command", "argv")],
        supports_check_mode=True,
    )
    command = arguments(module)
    reply = ask(module, "container_exec", {**module.params, "command": None, "argv": command})
    # Ansible would show a task that says skipped as skipped, although its prediction may be a change.
    reply["result"].pop("skipped", None)
    status = reply["result"]["rc"]
    if status != 0:
        module.fail_json(msg=f"{command[0]} ended with status {status}", changed=True, cmd=command, **reply["result"])
    finish(module, reply, cmd=command)


if __name__ == "__main__":
    main()
