#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one image to a file or directory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image_export
short_description: Write images to archives
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Writes an image of the host to a file or directory there, in a form that other tools read, too.
  - The same image gives the same bytes on every host. An archive that has that content already is left as it is.
options:
  name:
    description: The image, by a name, digest or id.
    type: str
    required: true
  path:
    description: The file or directory to write.
    type: path
    required: true
  format:
    description:
      - V(oci-archive) is an OCI image layout in a C(tar), V(oci-dir) is one as a directory.
      - V(docker-archive) is what C(docker save) writes and every version of C(docker load) reads.
    type: str
    choices: [oci-archive, oci-dir, docker-archive]
    default: oci-archive
  omit:
    description:
      - Digests of blobs to leave out, because whoever gets the archive has them. Not with O(format=docker-archive).
    type: list
    elements: str
  force:
    description: Whether to replace what is at O(path) and was not made by an export.
    type: bool
    default: false
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container_image
  - module: berth.containers.container_image_push
"""

EXAMPLES = r"""
- name: An image
  berth.containers.container_image:
    name: app:1.2
    bootstrap: busybox

- name: A directory for archives
  ansible.builtin.file:
    path: /var/tmp/berth-docs
    state: directory
    mode: "0700"

- name: Write it to a file that skopeo, Podman and this collection read
  berth.containers.container_image_export:
    name: app:1.2
    path: /var/tmp/berth-docs/app.tar

- name: Write it for docker load
  berth.containers.container_image_export:
    name: app:1.2
    path: /var/tmp/berth-docs/app-docker.tar
    format: docker-archive

- name: Remove the image
  berth.containers.container_image:
    name: app:1.2
    state: absent

- name: Remove the files
  ansible.builtin.file:
    path: /var/tmp/berth-docs
    state: absent
"""

RETURN = r"""
export:
  description: What was written, or would be in check mode, or was there.
  returned: success
  type: dict
  sample:
    path: /var/tmp/berth-docs/app.tar
    format: oci-archive
    size: 2124288
    digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "format": {
                "type": "str",
                "choices": ["oci-archive", "oci-dir", "docker-archive"],
                "default": "oci-archive",
            },
            "omit": {"type": "list", "elements": "str"},
            "force": {"type": "bool", "default": False},
            **ENGINE,
        },
        supports_check_mode=True,
    )
    answer(module, "container_image_export")


if __name__ == "__main__":
    main()
