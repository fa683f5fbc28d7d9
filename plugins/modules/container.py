#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge one container."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Run processes in isolation
version_added: 0.1.0
author:
  - The berth.containers authors (@berth)
description:
  - Creates, starts, stops, changes and removes a container on a host that has nothing but Python and a kernel.
  - The task itself sets up namespaces, cgroups, a copy-on-write root and a network. No daemon and no other engine is involved.
  - What the task says is compared with what the last task said, and the image by its digest. Whatever differs is changed,
    also what is no longer said. Limits and labels change while the container runs, everything else recreates it.
options:
  name:
    description:
      - What the container is called. Other containers on the same network find it by this name.
    type: str
    required: true
  state:
    description:
      - V(started) creates the container if need be and runs it.
      - V(stopped) creates the container if need be and ends its processes.
      - V(present) creates the container if need be and leaves it running or stopped, as it is.
      - V(absent) ends its processes and removes it with all that it wrote outside of its volumes.
    type: str
    choices: [absent, present, started, stopped]
    default: started
  image:
    description:
      - The image that the container's root is based on, by name, name and tag, or digest.
      - Needed unless O(state=absent) or the container is there. An image that moved recreates the container.
    type: str
  command:
    description:
      - The program and its arguments, as a list, or as a string that is split like a shell would. No shell is involved.
      - The image's command is the default.
    type: raw
  entrypoint:
    description:
      - What is put in front of O(command). The image's entry point is the default, an empty list does without one.
    type: list
    elements: str
  env:
    description:
      - Environment variables, on top of the image's.
      - Not for secrets. The values are in the container's record, in results and in diffs, unless the task has C(no_log).
    type: dict
  user:
    description:
      - Who runs the command, as C(user), C(user:group), C(uid) or C(uid:gid) of the container.
    type: str
  working_dir:
    description: The directory that the command starts in. It is made where it is missing.
    type: str
    aliases: [workdir]
  hostname:
    description: The host name that the container sees. Its name or the first 12 digits of its id by default.
    type: str
  labels:
    description: Words to find the container by, on top of the image's. They change while it runs.
    type: dict
    aliases: [label]
  memory:
    description:
      - The most memory that its processes may use together, such as V(64M) or V(1.5G). Swap is not added to it.
      - A process that wants more is ended by the kernel, alone.
    type: str
  cpus:
    description: How many CPUs' time its processes may use together, such as V(0.5).
    type: float
  pids_limit:
    description: How many processes and threads it may have. 2048 by default, V(-1) for no limit.
    type: int
  read_only:
    description: Whether the container's root is read-only.
    type: bool
  tmpfs:
    description:
      - File systems in memory, as a list of C(path) or C(path:options), or as a dictionary of path and options.
      - For example V(/run:size=16m,mode=755).
    type: raw
  volumes:
    description:
      - Directories or files of the host to see inside, as C(source:destination) or C(source:destination:ro).
      - The source must be there.
    type: list
    elements: str
    aliases: [volume]
  network_mode:
    description:
      - V(bridge) is a network of its own with an address of its own, behind the bridge C(berth0).
      - V(none) is a loopback device and nothing else.
      - V(host) is the host's network, without isolation.
      - V(container:NAME) shares the network of another container.
    type: str
    aliases: [net, network]
  published_ports:
    description:
      - Ports of the container to reach through the host, as C(host:container), C(address:host:container) or C(container), with
        C(/udp) at the end for UDP.
      - Without an address they are reached on every address of the host. Put an address in front, such as C(127.0.0.1:), to narrow it.
    type: list
    elements: str
    aliases: [ports, publish, published]
  dns_servers:
    description: Name servers to ask instead of the host's.
    type: list
    elements: str
    aliases: [dns]
  etc_hosts:
    description: Further names in C(/etc/hosts), as a dictionary of name and address.
    type: dict
    aliases: [add_hosts]
  stop_signal:
    description: The signal that asks its process to end, by name or number. The image's or C(SIGTERM) by default.
    type: str
  stop_timeout:
    description: How long its process has before it is killed, such as V(30s). 10 seconds by default.
    type: str
  auto_remove:
    description: Whether the container goes away when its process ends.
    type: bool
    aliases: [remove, rm]
  recreate:
    description: Whether to make the container anew even if nothing differs. Such a task always changes something.
    type: bool
  cap_add:
    description: Capabilities to add to the eleven that a container has by default, such as V(NET_ADMIN), or V(ALL).
    type: list
    elements: str
    aliases: [capabilities]
  cap_drop:
    description: Capabilities to take away, or V(ALL).
    type: list
    elements: str
  privileged:
    description:
      - Whether to lift most of the isolation. Gives root inside the rights of root outside.
      - Never for a process that is not trusted.
    type: bool
  userns_mode:
    description:
      - V(auto) gives the container a range of user ids of its own, so that root inside is nobody outside. This is the default.
      - V(host) does without. Needed where the kernel can't, and the error says so.
    type: str
    aliases: [userns]
extends_documentation_fragment:
  - berth.containers.attributes
  - berth.containers.attributes.engine
attributes:
  idempotent:
    support: partial
    details:
      - With O(recreate=true) the container is made anew every time.
seealso:
  - module: berth.containers.container_image
  - module: berth.containers.container_commit
  - module: berth.containers.container_exec
  - module: berth.containers.container_info
"""

EXAMPLES = r"""
- name: An image to run containers from
  berth.containers.container_image:
    name: base
    bootstrap: busybox

- name: A web server with limits, on port 18080 of the host
  berth.containers.container:
    name: web
    image: base
    command: [httpd, -f, -p, "80", -h, /srv]
    env:
      GREETING: hello
    labels:
      tier: front
    memory: 64M
    cpus: 0.5
    pids_limit: 64
    published_ports:
      - 127.0.0.1:18080:80
    tmpfs:
      - /tmp:size=16m

- name: Give it more memory while it runs, and no longer a label
  berth.containers.container:
    name: web
    image: base
    command: [httpd, -f, -p, "80", -h, /srv]
    env:
      GREETING: hello
    memory: 128M
    cpus: 0.5
    pids_limit: 64
    published_ports:
      - 127.0.0.1:18080:80
    tmpfs:
      - /tmp:size=16m

- name: Something that is let see one file only
  berth.containers.container:
    name: reader
    image: base
    command: tail -f /data/hosts
    network_mode: none
    read_only: true
    volumes:
      - /etc/hosts:/data/hosts:ro
    stop_timeout: 1s

- name: Stop it and keep what it wrote
  berth.containers.container:
    name: web
    state: stopped

- name: Remove both
  berth.containers.container:
    name: "{{ item }}"
    state: absent
  loop: [web, reader]

- name: Remove the image
  berth.containers.container_image:
    name: base
    state: absent
"""

RETURN = r"""
container:
  description:
    - The container as it is now. In check mode too, so it may differ from what a run would make.
    - Null when it is not there.
  returned: success
  type: dict
  contains:
    id:
      description: Its id, 64 hexadecimal digits.
      type: str
    name:
      description: Its name.
      type: str
    image:
      description: The name of its image.
      type: str
    image_digest:
      description: The digest of its image.
      type: str
    created:
      description: When it was made, as RFC 3339 has it.
      type: str
    hostname:
      description: The host name that it sees.
      type: str
    labels:
      description: Its labels.
      type: dict
    spec:
      description: What was asked for, in the one spelling that is kept. Sizes are bytes and durations seconds.
      type: dict
    state:
      description: C(status), C(running), C(pid), C(exit_code), C(oom_killed), C(error), C(started_at) and C(finished_at).
      type: dict
    network:
      description: C(mode), C(address), C(prefix), C(gateway), C(mac) and C(bridge).
      type: dict
    ports:
      description: The ports of the host that lead to it.
      type: list
      elements: str
    userns_start:
      description: The id on the host of its root, null without a user namespace.
      type: int
    log_path:
      description: The file on the host with what it wrote, in lines of JSON.
      type: str
    upper:
      description: The directory on the host with what it changed.
      type: str
  sample:
    name: web
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

from ..module_utils._ansible.container_options import CONTAINER
from ..module_utils._ansible.request import ENGINE, answer


def main() -> None:
    """One request, one answer."""
    module = AnsibleModule(argument_spec={**CONTAINER, **ENGINE}, supports_check_mode=True)
    answer(module, "container")


if __name__ == "__main__":
    main()
