#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what nobody needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_prune
short_description: Free the disk of what no container and no name needs
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Removes images without a name, parts that no image has, and what commands that died left behind.
  - What a container was made from is never removed, nor what a command works on at the time.
  - In check mode it tells what would go, and exactly how many bytes that would free.
options:
  images:
    description: Whether images that have no name and no container go.
    type: bool
    default: true
  all:
    description: Whether images with a name go, too, if no container uses them.
    type: bool
    default: false
  layers:
    description: Whether blobs and layers go that no image has.
    type: bool
    default: true
  staging:
    description: Whether half-made things go whose makers are gone.
    type: bool
    default: true
  damaged:
    description:
      - Whether what C(berth system check --repair) has set aside goes.
      - A container that has been running since before the repair may still stand on it.
    type: bool
    default: false
  until:
    description:
      - Only images go that came to this host before this, such as V(24h) for a day ago or V(2026-01-01T00:00:00Z).
      - The units are C(h), C(m) and C(s).
    type: str
  labels:
    description: Only images go that have all these labels, each as V(key) or V(key=value).
    type: list
    elements: str
    aliases: [label]
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container_host_info
  - module: berth.containers.container_image
"""

EXAMPLES = r"""
- name: Remove leftovers
  berth.containers.container_prune:

- name: Remove what the web team's builds left a week ago
  berth.containers.container_prune:
    all: true
    until: 168h
    labels: [team=web]
  register: pruned

- name: Say how much that was
  ansible.builtin.debug:
    msg: "{{ pruned.bytes_freed | ansible.builtin.human_readable }} freed"
"""

RETURN = r"""
bytes_freed:
  description:
    - How many bytes came free on the disk, or would in check mode.
    - Blocks that something else needs as well are not counted.
  returned: success
  type: int
  sample: 52428800
images:
  description: The images that went. The name is empty for those that had none.
  returned: success
  type: list
  elements: dict
  sample:
    - name: app:1.1
      digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
layers:
  description: The chain ids of the layers that went.
  returned: success
  type: list
  elements: str
  sample: [sha256:4e5e3b5c2f1a0d9e8c7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a392817061]
blobs:
  description: The digests of the blobs that went.
  returned: success
  type: list
  elements: str
  sample: [sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730]
staging:
  description: The half-made things that went.
  returned: success
  type: list
  elements: str
  sample: [commit-4711-1a2b3c4d]
damaged:
  description: What went of the things that a repair had set aside.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "bool", "default": True},
            "all": {"type": "bool", "default": False},
            "layers": {"type": "bool", "default": True},
            "staging": {"type": "bool", "default": True},
            "damaged": {"type": "bool", "default": False},
            "until": {"type": "str"},
            "labels": {"type": "list", "elements": "str", "aliases": ["label"]},
            **ENGINE,
        },
        supports_check_mode=True,
    )
    answer(module, "container_prune")


if __name__ == "__main__":
    main()
