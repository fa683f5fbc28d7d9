#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Push one image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image_push
short_description: Push images to registries
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Sends an image of the host to a registry. What is there already is not sent again, and what the registry has in another
    repository it is asked to take from there.
  - The image is sent as it is stored, so its digest is the same on both sides.
  - A registry that has the image under that tag already is left alone.
options:
  name:
    description: The image, by a name, digest or id.
    type: str
    required: true
  destination:
    description:
      - The registry, repository and tag that it goes to, such as V(registry.example.org/team/app:1.2). O(name) by default.
      - The tag is C(latest) by default.
    type: str
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.access
  - berth.containers.attributes.credentials
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container_image
  - module: berth.containers.container_image_export
  - module: berth.containers.container_registry_login
"""

EXAMPLES = r"""
- name: An image
  berth.containers.container_image:
    name: app
    bootstrap: busybox

- name: Push it
  berth.containers.container_image_push:
    name: app
    destination: registry.example.org/team/app:1.2
    registry_username: alice
    registry_password: "{{ registry_password }}"
  register: pushed

- name: Say what others can pull
  ansible.builtin.debug:
    msg: "{{ pushed.destination }}@{{ pushed.digest }}"

- name: Remove the image from this host
  berth.containers.container_image:
    name: app
    state: absent
"""

RETURN = r"""
destination:
  description: Where the image is in the registry.
  returned: success
  type: str
  sample: registry.example.org/team/app:1.2
digest:
  description: The digest of the image's manifest, the same here and there.
  returned: success
  type: str
  sample: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
sent:
  description: How many bytes of layers and config were sent. 0 in check mode.
  returned: success
  type: int
  sample: 1048576
mounted:
  description: How many blobs the registry took from another repository of its own. 0 in check mode.
  returned: success
  type: int
  sample: 1
there:
  description: How many blobs the repository had already. 0 in check mode, and when the whole image was there.
  returned: success
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.registry_options import ACCESS, CREDENTIALS, KEY_NEEDS, TOGETHER
from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "destination": {"type": "str"},
            **CREDENTIALS,
            **ACCESS,
            **ENGINE,
        },
        required_together=TOGETHER,
        required_by=KEY_NEEDS,
        supports_check_mode=True,
    )
    answer(module, "container_image_push")


if __name__ == "__main__":
    main()
