#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an image of what a container changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_commit
short_description: Make an image of a container
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Makes what a container changed in its root a new layer on top of its image, and gives the whole a name.
  - A commit of a container that has not changed since gives the same digest and changes nothing. The same changes give the
    same layer digest on another host.
  - Volumes and file systems in memory are not part of it.
options:
  container:
    description: The name or id of the container, running or not.
    type: str
    required: true
  name:
    description: What the image is called. The tag is C(latest) by default.
    type: str
    required: true
    aliases: [image]
  pause:
    description: Whether the container's processes are held while it is read, so that the layer is of one moment.
    type: bool
    default: true
  changes:
    description:
      - Settings of the image that differ from those of the container's image, in the manner of a Dockerfile.
      - Known are C(CMD), C(ENTRYPOINT), C(ENV), C(EXPOSE), C(LABEL), C(STOPSIGNAL), C(USER), C(VOLUME) and C(WORKDIR).
    type: list
    elements: str
    aliases: [change]
  comment:
    description: A line for the image's history.
    type: str
  author:
    description: Who made it, for the image's history.
    type: str
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container
  - module: berth.containers.container_image
"""

EXAMPLES = r"""
- name: An image to begin with
  berth.containers.container_image:
    name: base
    bootstrap: busybox

- name: A container to change
  berth.containers.container:
    name: workshop
    image: base
    command: [sleep, "3600"]
    stop_timeout: 1s

- name: Change it
  berth.containers.container_exec:
    container: workshop
    command: [sh, -c, "mkdir -p /srv && echo made here > /srv/index.html"]
    creates: /srv/index.html

- name: Make an image of it
  berth.containers.container_commit:
    container: workshop
    name: site
    changes:
      - CMD ["httpd", "-f", "-h", "/srv"]
      - EXPOSE 80
    comment: a page
    author: the web team

- name: Remove the container
  berth.containers.container:
    name: workshop
    state: absent

- name: Remove the images
  berth.containers.container_image:
    name: "{{ item }}"
    state: absent
  loop: [site, base]
"""

RETURN = r"""
image:
  description: The image as it is now, or as it would be in check mode.
  returned: success
  type: dict
  sample:
    name: site:latest
    digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
    id: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    layer: sha256:4e5e3b5c2f1a0d9e8c7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a392817061
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "name": {"type": "str", "required": True, "aliases": ["image"]},
            "pause": {"type": "bool", "default": True},
            "changes": {"type": "list", "elements": "str", "aliases": ["change"]},
            "comment": {"type": "str"},
            "author": {"type": "str"},
            **ENGINE,
        },
        supports_check_mode=True,
    )
    answer(module, "container_commit")


if __name__ == "__main__":
    main()
