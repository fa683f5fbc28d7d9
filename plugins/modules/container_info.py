#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell about containers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_info
short_description: Tell about containers
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Tells what containers a host has, which of them run, and how each is set up.
options:
  name:
    description:
      - The containers to tell about, by name or id. All by default.
      - One that is not there is left out of the answer, without an error.
    type: list
    elements: str
  stats:
    description:
      - Whether to tell what each container that runs has used so far, in the kernel's own numbers.
    type: bool
    default: false
extends_documentation_fragment:
  - berth.containers.attributes.info
  - berth.containers.attributes.engine
seealso:
  - module: berth.containers.container
"""

EXAMPLES = r"""
- name: All containers of a host
  berth.containers.container_info:
  register: all

- name: One container
  berth.containers.container_info:
    name: web
  register: web

- name: What it has used so far
  berth.containers.container_info:
    name: web
    stats: true
  register: used

- name: Say whether it is there
  ansible.builtin.debug:
    msg: "{{ 'there' if web.containers | length else 'not there' }}"
"""

RETURN = r"""
containers:
  description: One entry for each container that was found, the oldest first, as M(berth.containers.container) returns it.
  returned: success
  type: list
  elements: dict
  contains:
    stats:
      description:
        - What the container has used since it was started. Null for one that does not run, as is every part that the kernel does
          not tell. Sizes are bytes.
        - C(cpu) has C(usage_ns), C(user_ns), C(system_ns), C(periods), C(throttled_periods) and C(throttled_ns).
        - C(memory) has C(usage), C(working_set), C(anonymous), C(file), C(swap), C(peak), C(limit) and C(oom_kills). The working
          set is the usage without the file pages that nobody has used lately.
        - C(pids) has C(current) and C(limit).
        - C(block_io) has C(read_bytes), C(write_bytes), C(read_operations) and C(write_operations).
        - C(network) has C(received_bytes), C(received_packets), C(sent_bytes) and C(sent_packets) of each device.
        - C(pressure) has C(some) and C(full) of C(cpu), C(memory) and C(io), each with C(avg10), C(avg60) and C(avg300) in percent
          and C(total_us).
        - C(time_ns) is the kernel's monotonic clock, to divide a difference by.
      returned: O(stats=true)
      type: dict
  sample:
    - name: web
      id: 3f1c5d0c2a6b4f2e8d9a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e
      image: base:latest
      state:
        status: running
        running: true
      network:
        mode: bridge
        address: 10.88.0.2
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.info_options import CONTAINER_INFO
from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(argument_spec={**CONTAINER_INFO, **ENGINE}, supports_check_mode=True)
    answer(module, "container_info")


if __name__ == "__main__":
    main()
