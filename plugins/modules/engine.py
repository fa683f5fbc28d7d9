#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the engine on this host, and tell where it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine
short_description: Deliver the engine to a host
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Puts the engine of this version of the collection on a host, and tells where it is.
  - The other modules do so by themselves. This one is of use to deliver it ahead of time, and to learn where its command line is.
options:
  bundle:
    description:
      - The engine as an archive on the host. The action plugin fills it in when the engine must be installed. Not for playbooks.
    type: path
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
attributes:
  check_mode:
    details:
      - Delivers in check mode too. The engine is a cache and no state, and nothing can be predicted without it.
      - Says that nothing changed for the same reason.
  diff_mode:
    support: none
notes:
  - An engine is never changed and, in this version, never removed, because containers run from it. Another version is another directory.
"""

EXAMPLES = r"""
- name: Deliver the engine
  berth.containers.engine:
  register: engine

- name: Ask it for its version
  ansible.builtin.command:
    argv: ["{{ engine.program }}", version]
  changed_when: false
"""

RETURN = r"""
digest:
  description: The digest of its content.
  returned: success
  type: str
  sample: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
program:
  description: The path of its program, which is also the command line for people.
  returned: success
  type: str
  sample: /var/lib/berth/engine/7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730/berth
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.delivery import DeliveryError, engine_home, install
from ..module_utils._ansible.request import ENGINE, find_engine, must_be_root


def main() -> None:
    """One delivery, or one look."""
    module = AnsibleModule(argument_spec={"bundle": {"type": "path"}, **ENGINE}, supports_check_mode=True)
    must_be_root(module)
    try:
        if module.params["bundle"]:
            install(module.params["bundle"], engine_home(module.params["root"]), module.params["engine"])
    except DeliveryError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, digest=module.params["engine"], program=find_engine(module))


if __name__ == "__main__":
    main()
