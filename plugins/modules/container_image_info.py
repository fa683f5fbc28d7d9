#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell about images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image_info
short_description: Tell about images
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Tells what images a host has, and how each is set up.
options:
  name:
    description:
      - The images to tell about, by name, digest or id. All by default.
      - One that is not there is left out of the answer, without an error.
    type: list
    elements: str
  documents:
    description: Whether to give the manifest and the config of each image, too, as they are stored.
    type: bool
    default: false
extends_documentation_fragment:
  - berth.containers.attributes.info
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container_image
"""

EXAMPLES = r"""
- name: All images of a host
  berth.containers.container_image_info:
  register: all

- name: One image
  berth.containers.container_image_info:
    name: base
  register: base

- name: Say whether it is there
  ansible.builtin.debug:
    msg: "{{ 'there' if base.images | length else 'not there' }}"
"""

RETURN = r"""
images:
  description: One entry for each image that was found.
  returned: success
  type: list
  elements: dict
  sample:
    - name: base:latest
      digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      id: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      size: 2113024
      layers: [sha256:4e5e3b5c2f1a0d9e8c7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a392817061]
      config:
        Cmd: [sh]
      created: "2026-01-01T00:00:00Z"
      added: "2026-11-24T07:50:22Z"
      labels: {}
  contains:
    documents:
      description: The texts C(manifest) and C(config), and the manifest's C(media_type).
      returned: with O(documents=true)
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.info_options import IMAGE_INFO
from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(argument_spec={**IMAGE_INFO, **ENGINE}, supports_check_mode=True)
    answer(module, "container_image_info")


if __name__ == "__main__":
    main()
