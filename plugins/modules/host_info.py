#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can do for containers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Tell what a host can do for containers
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Probes the host's kernel for what the engine needs, and tells which engine is there.
  - The role P(berth.containers.host#role) uses it to say in a sentence what is missing.
extends_documentation_fragment:
  - berth.containers.attributes.info
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container
"""

EXAMPLES = r"""
- name: Look at a host
  berth.containers.host_info:
  register: host

- name: Stop where the kernel can't
  ansible.builtin.assert:
    that: host.missing | length == 0
    fail_msg: "{{ host.missing.values() | join('; ') }}"
"""

RETURN = r"""
engine:
  description: The engine on the host.
  returned: success
  type: dict
  contains:
    version:
      description: Its version.
      type: str
    digest:
      description: The digest of its content.
      type: str
    program:
      description: The path of its program, which is also the command line for people.
      type: str
    python:
      description: The version of the Python that it runs on.
      type: str
    kernel:
      description: The release of the running kernel.
      type: str
    root:
      description: Where it keeps its state.
      type: str
  sample:
    version: 0.1.0
    digest: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
    program: /var/lib/berth/engine/7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730/berth
    python: 3.11.2
    kernel: 6.1.0-40-amd64
    root: /var/lib/berth
features:
  description:
    - Whether each feature of the kernel that containers need works here. It is tried, not looked up.
    - The names are C(kernel), C(namespaces), C(user_namespaces), C(overlay), C(idmapped_layers), C(cgroups), C(bridge) and C(nat).
  returned: success
  type: dict
  sample:
    kernel: true
    overlay: true
    nat: false
missing:
  description: One sentence for each feature that does not work, by its name. Empty on a fit host.
  returned: success
  type: dict
  sample:
    nat: "bridge networks need the program nft: install the package nftables on this host, or use network_mode none or host"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.delivery import engine_home, program
from ..module_utils._ansible.request import ENGINE, ask, finish


def main() -> None:
    """Two questions to the engine, one answer."""
    module = AnsibleModule(argument_spec={**ENGINE}, supports_check_mode=True)
    engine = dict(ask(module, "version")["result"])
    engine["digest"] = module.params["engine"]
    engine["program"] = program(engine_home(module.params["root"]), engine["digest"])
    finish(module, ask(module, "preflight"), engine=engine)


if __name__ == "__main__":
    main()
