#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the engine on this host and tell where it is, or take it away with all that it made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine
short_description: Deliver the engine to a host, or remove all that is its own
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Puts the engine of this version of the collection on a host, and tells where it is.
  - The other modules do so by themselves. This one is of use to deliver it ahead of time, to learn where its command line is, and
    to clean up in the end.
options:
  state:
    description:
      - V(present) delivers the engine.
      - V(absent) removes all containers, images, networks and engines of the root, and everything else that is the root's own on
        the host. Volumes that hold something are kept.
    type: str
    choices: [absent, present]
    default: present
  force:
    description:
      - With O(state=absent), stop containers that run. Without it, they are an error.
    type: bool
    default: false
  bundle:
    description:
      - The engine as an archive on the host. The action plugin fills it in when the engine must be installed. Not for playbooks.
    type: path
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
attributes:
  check_mode:
    details:
      - Delivers in check mode too. The engine is a cache and no state, and nothing can be predicted without it.
      - A delivery counts as no change for the same reason.
notes:
  - An engine is never changed and, but for O(state=absent), never removed, because containers run from it. Another version is
    another directory.
"""

EXAMPLES = r"""
- name: Deliver the engine
  berth.containers.engine:
  register: engine

- name: Ask it for its version
  ansible.builtin.command:
    argv: ["{{ engine.program }}", version]
  changed_when: false

- name: Remove everything, containers that run included
  berth.containers.engine:
    state: absent
    force: true
"""

RETURN = r"""
digest:
  description: The digest of its content.
  returned: success
  type: str
  sample: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
program:
  description: The path of its program, which is also the command line for people.
  returned: with O(state=present)
  type: str
  sample: /var/lib/berth/engine/7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730/berth
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.delivery import DeliveryError, engine_home, install
from ..module_utils._ansible.request import ENGINE, ask, find_engine, finish, must_be_root


def remove(module: AnsibleModule) -> None:
    """Let the engine take away what it made, then take away the engine."""
    root = os.path.dirname(engine_home(module.params["root"]))
    if not any(os.path.isdir(f"{root}/{name}") for name in ("engine", "containers", "blobs")):
        module.exit_json(changed=False, digest=module.params["engine"])
    reply = ask(module, "purge", {"force": module.params["force"]})
    run = reply["result"].pop("run")
    if not module.check_mode:
        for directory in (f"{root}/engine", f"{root}/uploads", run):
            shutil.rmtree(directory, ignore_errors=True)
        if not os.listdir(root):
            os.rmdir(root)
    finish(module, reply, digest=module.params["engine"])


def main() -> None:
    """One delivery, or one look, or the end."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "force": {"type": "bool", "default": False},
            "bundle": {"type": "path"},
            **ENGINE,
        },
        supports_check_mode=True,
    )
    must_be_root(module)
    try:
        if module.params["bundle"]:
            install(module.params["bundle"], engine_home(module.params["root"]), module.params["engine"])
    except DeliveryError as error:
        module.fail_json(msg=str(error))
    if module.params["state"] == "absent":
        remove(module)
    module.exit_json(changed=False, digest=module.params["engine"], program=find_engine(module))


if __name__ == "__main__":
    main()
