#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge many images and containers in one request."""

from __future__ import annotations

DOCUMENTATION = r"""
module: environment
short_description: Converge many images and containers at once
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Takes a list of images and a list of containers, and makes all of them so in one task. Containers are created and stopped
    side by side, which a loop over M(berth.containers.container) can't.
  - The lists are checked on the controller before the host is touched. Every fault is named with its place.
options:
  images:
    description:
      - Images, each with the options of M(berth.containers.container_image) but O(ignore:root), O(ignore:remote_src),
        O(ignore:source_host), O(ignore:registry_username) and O(ignore:registry_password).
      - For a registry that wants credentials, use M(berth.containers.container_registry_login) before.
    type: list
    elements: dict
    default: []
  containers:
    description:
      - Containers, each with the options of M(berth.containers.container) but O(ignore:root).
      - A container that shares the network, processes, IPC or user ids of another one in the list is started after it.
    type: list
    elements: dict
    default: []
  validate_only:
    description:
      - Whether to check the lists on the controller and leave the host alone.
    type: bool
    default: false
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
requirements:
  - jsonschema on the controller
seealso:
  - module: berth.containers.container
  - module: berth.containers.container_image
  - name: Role environment
    description: The same, with one document as its variable.
    link: https://github.com/berth/containers/tree/main/roles/environment
"""

EXAMPLES = r"""
- name: An image and two containers of it
  berth.containers.environment:
    images:
      - name: base
        bootstrap: busybox
    containers:
      - name: web
        image: base
        command: [httpd, -f, -p, "80", -h, /etc]
        memory: 64M
      - name: idle
        image: base
        command: [sleep, "3600"]
        network_mode: none
        stop_timeout: 1s

- name: None of it
  berth.containers.environment:
    images:
      - name: base
        state: absent
    containers:
      - name: web
        state: absent
      - name: idle
        state: absent
"""

RETURN = r"""
images:
  description: The images as they are now, in the order of the list. Empty for one that is not there.
  returned: success
  type: list
  elements: dict
  sample:
    - name: base:latest
      digest: sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
containers:
  description: The containers as they are now, in the order of the list. Null for one that is not there.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web
      image: base:latest
      state:
        status: running
        running: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._ansible.container_options import CONTAINER
from ..module_utils._ansible.image_options import IMAGE, RULES
from ..module_utils._ansible.request import ENGINE, answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LISTS: dict[str, tuple[dict[str, dict[str, Any]], dict[str, Any]]] = {
    "images": (IMAGE, RULES),
    "containers": (CONTAINER, {}),
}


def normalised(module: AnsibleModule) -> dict[str, list[dict[str, Any]]]:
    """Both lists as the modules of one image and one container would have read them: aliases, types, defaults."""
    lists: dict[str, list[dict[str, Any]]] = {}
    faults: list[str] = []
    for kind, (options, rules) in LISTS.items():
        validator = ArgumentSpecValidator(options, **rules)
        lists[kind] = []
        for place, entry in enumerate(module.params[kind]):
            outcome = validator.validate(entry)
            faults += [f"{kind}[{place}]: {fault}" for fault in outcome.error_messages]
            lists[kind].append({key: value for key, value in outcome.validated_parameters.items() if value is not None})
    if faults:
        module.fail_json(msg="\n".join(faults))
    return lists


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(
        argument_spec={
            **{kind: {"type": "list", "elements": "dict", "default": []} for kind in LISTS},
            "validate_only": {"type": "bool", "default": False},
            **ENGINE,
        },
        supports_check_mode=True,
    )
    answer(module, "environment", dict(normalised(module)))


if __name__ == "__main__":
    main()
