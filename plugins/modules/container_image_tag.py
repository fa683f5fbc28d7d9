#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give an image one more name, or one less."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image_tag
short_description: Name images
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Gives an image one more name, or takes a name away. The image itself is not touched.
options:
  name:
    description: The name, such as V(app:stable). The tag is C(latest) by default.
    type: str
    required: true
  image:
    description:
      - The image that gets the name, by a name, digest or id. Needed with O(state=present).
      - With O(state=absent), the name is taken away only if it is this image's.
    type: str
  state:
    description:
      - V(present) gives the name to the image. Another image that had it loses it.
      - V(absent) takes the name away. An image without any name goes, unless a container uses it; then it stays without a name.
    type: str
    choices: [absent, present]
    default: present
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container_image
  - module: berth.containers.container_prune
"""

EXAMPLES = r"""
- name: An image
  berth.containers.container_image:
    name: app:1.2
    bootstrap: busybox

- name: The same under a second name
  berth.containers.container_image_tag:
    image: app:1.2
    name: app:stable

- name: Remove both names
  berth.containers.container_image_tag:
    name: "{{ item }}"
    state: absent
  loop: [app:stable, "app:1.2"]
"""

RETURN = r"""
image:
  description: The name and what has it. Empty when nothing has it.
  returned: success
  type: dict
  sample:
    name: app:stable
    digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
    id: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "image": {"type": "str"},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            **ENGINE,
        },
        required_if=[("state", "present", ("image",))],
        supports_check_mode=True,
    )
    answer(module, "container_image_tag")


if __name__ == "__main__":
    main()
