#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge one image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: Make images of directories and archives
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Makes an image from a directory, from a tar or from what the collection has in itself, and removes images.
  - The store is an OCI image layout. The same input gives the same digest on every host.
  - An image of which nothing differs is left as it is.
options:
  name:
    description:
      - What the image is called, such as V(base) or V(registry.example.org/team/base:1.2). The tag is C(latest) by default.
    type: str
    required: true
  state:
    description:
      - V(present) makes the image, or makes it anew if its content or its settings differ.
      - V(absent) removes the name, and what only this name held. An image that a container uses is kept, with an error.
    type: str
    choices: [absent, present]
    default: present
  rootfs:
    description:
      - The content, a directory or a C(tar), C(tar.gz) or C(tar.xz) file.
      - On the host, or on the controller with O(remote_src=false).
    type: path
  remote_src:
    description:
      - Whether O(rootfs) is on the host.
      - From the controller, a directory is packed into a tar with its owners, modes and times. What the host has already is
        not sent again.
    type: bool
    default: true
  checksum:
    description:
      - The SHA-256 digest of the file that O(rootfs) names. Another file is refused.
      - With O(remote_src=false) the action plugin fills it in.
    type: str
  bootstrap:
    description:
      - The content, from what is at hand without a network.
      - V(busybox) is the host's static C(busybox) with a few files, some 2 MB. Debian has it in the package C(busybox-static).
    type: str
    choices: [busybox]
  command:
    description:
      - What containers of the image run by default, as a list, or as a string that is split like a shell would.
    type: raw
  entrypoint:
    description: What is put in front of the command.
    type: list
    elements: str
  env:
    description:
      - Environment variables of its containers.
      - Not for secrets. They are in the image.
    type: dict
  user:
    description: Who runs the command, as C(user), C(user:group), C(uid) or C(uid:gid) of the image.
    type: str
  working_dir:
    description: The directory that the command starts in.
    type: str
    aliases: [workdir]
  labels:
    description: Words to find the image and its containers by.
    type: dict
    aliases: [label]
  exposed_ports:
    description: Ports that its containers listen on, such as V(80) or V(53/udp). A hint for people.
    type: list
    elements: str
    aliases: [expose, exposed]
  force:
    description:
      - With O(state=present), read the content again even if nothing points to a change.
      - With O(state=absent), remove the name even if a container uses the image. What the container needs is kept.
    type: bool
    default: false
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container
  - module: berth.containers.container_commit
  - module: berth.containers.container_image_info
"""

EXAMPLES = r"""
- name: An image of nothing but busybox
  berth.containers.container_image:
    name: base
    bootstrap: busybox
    command: [sh]
    env:
      PATH: /bin:/usr/bin

- name: A directory to make an image of
  ansible.builtin.file:
    path: /var/tmp/site/srv
    state: directory
    mode: "0755"

- name: An image of a directory of the host
  berth.containers.container_image:
    name: site:1
    rootfs: /var/tmp/site
    labels:
      team: web
    exposed_ports: ["80"]

- name: Remove both
  berth.containers.container_image:
    name: "{{ item }}"
    state: absent
  loop: [base, "site:1"]
"""

RETURN = r"""
image:
  description:
    - The image as it is now.
    - Empty when it is not there, and in check mode when it would be made.
  returned: success
  type: dict
  sample:
    name: base:latest
    digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
    id: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    size: 2113024
    layers: [sha256:4e5e3b5c2f1a0d9e8c7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a392817061]
    config:
      Cmd: [sh]
    created: "2026-01-01T00:00:00Z"
    added: "2026-11-24T07:50:22Z"
    labels: {}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.image_options import IMAGE
from ..module_utils._ansible.request import ENGINE, answer
from ..module_utils._ansible.upload import receive


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={**IMAGE, **ENGINE},
        mutually_exclusive=[("rootfs", "bootstrap")],
        required_by={"checksum": "rootfs"},
        supports_check_mode=True,
    )
    receive(module)
    answer(module, "container_image")


if __name__ == "__main__":
    main()
