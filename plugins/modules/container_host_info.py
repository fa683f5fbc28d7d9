#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what images and containers take on the disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_host_info
short_description: Tell what images and containers take on the disk
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Tells how much of the disk each image, layer and container of a host takes, how much of it is shared, and what could be freed.
  - Looks at every file of the store, which takes a while when there are many.
extends_documentation_fragment:
  - berth.containers.attributes.info
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.host_info
  - module: berth.containers.container_prune
  - module: berth.containers.container_image_dedupe
"""

EXAMPLES = r"""
- name: Ask for the disk
  berth.containers.container_host_info:
  register: disk

- name: Say what could be freed
  ansible.builtin.debug:
    msg: "{{ disk.totals.images.reclaimable | ansible.builtin.human_readable }} of images could go"
"""

RETURN = r"""
images:
  description:
    - Each name of each image, with bytes on the disk.
    - C(unique) would come free with the image, C(shared) other images need, too, C(size) is both.
  returned: success
  type: list
  elements: dict
  sample:
    - name: base:latest
      digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      size: 4308992
      shared: 4276224
      unique: 32768
      containers: [web]
layers:
  description: Each unpacked layer, by its chain id, with the number of images that have it.
  returned: success
  type: list
  elements: dict
  sample:
    - chain: sha256:4e5e3b5c2f1a0d9e8c7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a392817061
      size: 2129920
      shared: 0
      unique: 2129920
      images: 2
containers:
  description: Each container. C(upper) is what it changed in its root, C(image_size) what its image takes.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 1f0c...
      name: web
      image_digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      status: running
      size: 86016
      upper: 49152
      shared: 0
      unique: 86016
      image_size: 4308992
totals:
  description:
    - Sums over images and containers, and what else there is.
    - C(leftover) are parts that no image has, C(staging) half-made things, C(damaged) what a repair set aside.
  returned: success
  type: dict
  sample:
    images: {count: 2, size: 4341760, reclaimable: 32768}
    containers: {count: 1, size: 86016, reclaimable: 0}
    leftover: {size: 0, reclaimable: 0}
    staging: {count: 0, size: 0}
    damaged: {count: 0, size: 0}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(argument_spec={**ENGINE}, supports_check_mode=True)
    answer(module, "system_df")


if __name__ == "__main__":
    main()
