#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what is equal once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image_dedupe
short_description: Keep equal files of images and containers once
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Makes equal files of several layers one, where their path, mode, owner, time and attributes are the same.
  - Takes files out of stopped containers that equal what their image has in the same place.
  - Takes away the blobs of uncompressed layers that can be made, byte for byte, from the unpacked layer.
  - On btrfs and xfs, equal files of layers and containers share their blocks, wherever they are.
  - No image and no container looks different afterwards. Layers below a running container lend their files and keep them.
options:
  containers:
    description: Whether containers' own files are looked at, too.
    type: bool
    default: true
  blobs:
    description:
      - What is done with the blobs of layers, each of which is there as an unpacked layer, too.
      - V(derive) takes those away that can be made from the unpacked layer, and was proved to be. They are made whenever one is
        read. Only a tool that reads the store's directory itself misses them, and damage to such a layer can't be repaired on
        this host.
      - V(keep) leaves all of them.
      - V(restore) makes those again that were taken away, and does nothing else.
    type: str
    choices: [derive, keep, restore]
    default: derive
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
notes:
  - On ext4 the files of a container can't be shared with those of another, since either could be written to.
    Commit and create them from the common image instead.
seealso:
  - module: berth.containers.container_host_info
  - module: berth.containers.container_prune
"""

EXAMPLES = r"""
- name: Keep equal files once
  berth.containers.container_image_dedupe:
  register: deduped

- name: Say how much that was
  ansible.builtin.debug:
    msg: "{{ deduped.bytes_freed | ansible.builtin.human_readable }} freed"
"""

RETURN = r"""
bytes_freed:
  description: How many bytes came free on the disk, or would in check mode.
  returned: success
  type: int
  sample: 2007040
linked:
  description: Files of layers that became one with another layer's.
  returned: success
  type: dict
  sample: {files: 49, bytes: 2007040}
dropped:
  description: Files taken out of stopped containers because their images have the same.
  returned: success
  type: dict
  sample: {files: 0, bytes: 0}
derived:
  description: Blobs that went because they can be made from their unpacked layers.
  returned: success
  type: dict
  sample: {files: 2, bytes: 4014080}
restored:
  description: Blobs that were made again.
  returned: O(blobs=restore)
  type: dict
  sample: {files: 2, bytes: 4096000}
reflinked:
  description: Files that share their blocks with another now.
  returned: success
  type: dict
  sample: {files: 0, bytes: 0}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "containers": {"type": "bool", "default": True},
            "blobs": {"type": "str", "choices": ["derive", "keep", "restore"], "default": "derive"},
            **ENGINE,
        },
        supports_check_mode=True,
    )
    answer(module, "container_image_dedupe")


if __name__ == "__main__":
    main()
