#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge one image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: Pull images, or make them of directories and archives
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Pulls an image from the registry that its name says, loads it from an archive, or makes it from a directory, from a tar or
    with a program of the host. Removes images.
  - The store is an OCI image layout. The same input gives the same digest on every host.
  - An image of which nothing differs is left as it is.
  - Whatever comes is verified against its digests before it is an image.
options:
  name:
    description:
      - What the image is called, such as V(base) or V(registry.example.org/team/base:1.2). The tag is C(latest) by default.
      - With none of O(rootfs), O(bootstrap), O(archive) and O(source_host), an image that is not there is pulled. A name that
        begins with no host is one of C(docker.io) then. With a digest, as in V(base@sha256:...), it is that image or none.
    type: str
    required: true
  state:
    description:
      - V(present) pulls or makes the image, or makes it anew if its content or its settings differ.
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
      - Whether O(rootfs) or O(archive) is on the host.
      - From the controller, a directory for O(rootfs) is packed into a tar with its owners, modes and times. What the host has
        already is not sent again.
      - An O(archive) on the controller is read there, which has to run Linux then. Only those layers of the image go that the host
        lacks, for the time of the task, and none in check mode. Not with C(async).
    type: bool
    default: true
  checksum:
    description:
      - The SHA-256 digest of the file that O(rootfs) names. Another file is refused.
      - With O(remote_src=false) the action plugin fills it in.
    type: str
  bootstrap:
    description:
      - The content, made by what is on the host.
      - V(busybox) is the host's static C(busybox) with a few files, some 2 MB, without a network. Debian has it in the package
        C(busybox-static).
      - V(debootstrap) is a Debian that the host's program C(debootstrap) makes of O(suite), O(mirror), O(packages) and
        O(variant). It is made again when one of them differs, or with O(force), and not because the archive moved on.
    type: str
    choices: [busybox, debootstrap]
  suite:
    description: For O(bootstrap=debootstrap), the release, such as V(trixie).
    type: str
  mirror:
    description: For O(bootstrap=debootstrap), the URL of the archive. The program has one of its own.
    type: str
  packages:
    description: For O(bootstrap=debootstrap), packages to install besides.
    type: list
    elements: str
  variant:
    description: For O(bootstrap=debootstrap), which packages it begins with. V(minbase) by default.
    type: str
    choices: [minbase, buildd, fakechroot, standard]
  archive:
    description:
      - A file or directory with the image, on the host, or on the controller with O(remote_src=false).
      - An OCI image layout or what C(docker save) writes, as a C(tar) that may be compressed, or an OCI image layout as a directory.
      - Any other tar is taken for O(rootfs).
    type: path
  archive_reference:
    description:
      - Which of several images in O(archive) is meant, by its name there or by its digest.
      - The one called O(name) by default, or the only one.
    type: str
  pull:
    description:
      - When the registry is asked. V(missing) asks it if the image is not there, V(always) asks whether it has another
        image under that name now, and V(never) does not.
      - In check mode it is asked, too, but for documents only.
    type: str
    choices: [always, missing, never]
    default: missing
  source_host:
    description:
      - Another host of the inventory that has the image. It is copied from there by way of the controller, with the connections
        that Ansible has to both. Only those of its layers go that this host lacks.
      - Needs root on both. On the way the layers are temporary files of the source, the controller and this host.
      - Nobody asks a registry. The host must have the image under O(name).
    type: str
  source_root:
    description: Where the engine of O(source_host) keeps its state. O(root) by default.
    type: path
  documents:
    description: What O(source_host) or an O(archive) on the controller says of the image. The action plugin fills it in.
    type: str
  platform:
    description:
      - Which image of several, as in V(linux/arm64) or V(linux/arm/v7). The host's own by default.
      - Of an image that is made here, what it is for, such as V(linux/386) for a root of 32-bit programs.
    type: str
  mirrors:
    description:
      - Hosts or URLs that are asked before the registry itself, in this order. One that can't help, also in the middle of a
        layer or with another content than its digest says, is passed over with a warning. What others gave stays.
      - They get the credentials that O(authfile) has for them, and no others, O(client_cert) neither.
    type: list
    elements: str
  max_unpacked_size:
    description:
      - How much content is taken at most, such as V(4G). More is refused.
      - 64 GiB by default, and not more than a thousand times what came.
    type: str
  max_entries:
    description: How many files are taken at most. Two million by default.
    type: int
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
  - berth.containers.attributes.access
  - berth.containers.attributes.credentials
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container
  - module: berth.containers.container_commit
  - module: berth.containers.container_image_export
  - module: berth.containers.container_image_info
  - module: berth.containers.container_image_push
  - module: berth.containers.container_registry_login
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

- name: An image from a registry
  berth.containers.container_image:
    name: registry.example.org/team/base:1.2
    registry_username: alice
    registry_password: "{{ registry_password }}"

- name: Write an image to a file
  berth.containers.container_image_export:
    name: site:1
    path: /var/tmp/site.tar

- name: An image from a file
  berth.containers.container_image:
    name: site:2
    archive: /var/tmp/site.tar

- name: Remove them
  berth.containers.container_image:
    name: "{{ item }}"
    state: absent
  loop: [base, "site:1", "site:2", "registry.example.org/team/base:1.2"]

- name: Remove what they were made of
  ansible.builtin.file:
    path: "{{ item }}"
    state: absent
  loop: [/var/tmp/site, /var/tmp/site.tar]
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

from ..module_utils._ansible.image_options import IMAGE, RULES, SOURCE
from ..module_utils._ansible.registry_options import CREDENTIALS, TOGETHER
from ..module_utils._ansible.request import ENGINE, answer, ask, finish
from ..module_utils._ansible.upload import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def copy(module: AnsibleModule) -> NoReturn:
    """Make the image of what the action plugin tells and brought; end with blobs_missing if it has to bring more."""
    if not module.params["documents"]:
        module.fail_json(msg="source_host is the action plugin's to read: it asks that host")
    reply = ask(module, "container_image_receive")
    missing = reply["result"].pop("missing")
    if missing and not module.check_mode:
        place = module.params["source_host"] or "the controller"
        module.fail_json(msg=f"{len(missing)} layers have to come from {place} yet", blobs_missing=missing)
    finish(module, reply)


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={**IMAGE, **CREDENTIALS, **SOURCE, **ENGINE},
        required_together=TOGETHER,
        supports_check_mode=True,
        **RULES,
    )
    if (module.params["source_host"] or module.params["documents"]) and module.params["state"] == "present":
        copy(module)
    if module.params["state"] == "present":
        receive(module)
    answer(module, "container_image")


if __name__ == "__main__":
    main()
