#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what opens a registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_registry_login
short_description: Log in to registries
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Lets the credentials for a registry be in a file on the host, where M(berth.containers.container_image),
    M(berth.containers.container_image_push) and the command C(berth) look for them, or lets them not be there.
  - The file is Docker's. Podman, skopeo and Docker read and write it, too. What else is in it stays.
  - Only root can read it, but the password is in it as good as plainly. Prefer a token that opens little.
options:
  registry:
    description: The registry, such as V(registry.example.org) or V(localhost:5000).
    type: str
    default: docker.io
  username:
    description: Who logs in. Needed with O(state=present).
    type: str
  password:
    description: The password or token. Needed with O(state=present).
    type: str
  state:
    description:
      - V(present) puts the credentials into the file, or replaces those that are there.
      - V(absent) takes them out of the file. The registry is not asked.
    type: str
    choices: [absent, present]
    default: present
  verify:
    description:
      - Whether the registry is asked whether it takes the credentials, in check mode as well. If it does not, the task fails
        and the file stays as it is.
    type: bool
    default: true
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.access
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container_image
  - module: berth.containers.container_image_push
"""

EXAMPLES = r"""
- name: Log in
  berth.containers.container_registry_login:
    registry: registry.example.org
    username: alice
    password: "{{ registry_password }}"

- name: Pull what not everybody may
  berth.containers.container_image:
    name: registry.example.org/team/base:1.2

- name: Remove it
  berth.containers.container_image:
    name: registry.example.org/team/base:1.2
    state: absent

- name: Log out
  berth.containers.container_registry_login:
    registry: registry.example.org
    state: absent
"""

RETURN = r"""
registry:
  description: The registry as it stands in the file.
  returned: success
  type: str
  sample: registry.example.org
username:
  description: Who is logged in. Empty when nobody is.
  returned: success
  type: str
  sample: alice
authfile:
  description: The file.
  returned: success
  type: str
  sample: /root/.docker/config.json
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.registry_options import ACCESS, KEY_NEEDS
from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "registry": {"type": "str", "default": "docker.io"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "verify": {"type": "bool", "default": True},
            **ACCESS,
            **ENGINE,
        },
        required_if=[("state", "present", ("username", "password"))],
        required_by=KEY_NEEDS,
        supports_check_mode=True,
    )
    answer(module, "container_registry_login")


if __name__ == "__main__":
    main()
