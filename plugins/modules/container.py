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
    also what is no longer said. Limits of resources and labels change while the container runs, everything else recreates it.
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
      - V(paused) creates and runs the container if need be and freezes its processes, which keep all that they have.
        V(started) lets them go on.
      - V(absent) ends its processes and removes it with all that it wrote outside of its volumes.
    type: str
    choices: [absent, present, started, stopped, paused]
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
        A container that shares the processes or the IPC of another one gets the ids of that one with it.
      - V(host) does without. Needed where the kernel can't, and the error says so.
      - V(nomap) is V(auto), but files of the host in O(volumes) keep their owners, who are nobody inside unless they are in
        the container's range. What it writes there belongs to ids of its range on the host.
      - V(container:NAME) shares the user namespace of another container, which must run.
    type: str
    aliases: [userns]
  memory_swap:
    description: The most memory and swap together, V(-1) for any amount of swap. Needs O(memory), which is its default.
    type: str
  memory_reservation:
    description: What it is left with when the host runs short of memory. Not above O(memory).
    type: str
  memory_swappiness:
    description: How readily its memory goes to swap, from 0 to 100. For hosts with version 1 of control groups.
    type: int
  cpu_shares:
    description: Its weight when it competes for CPUs with others, 1024 by default.
    type: int
  cpu_quota:
    description: How many microseconds of CPU time it may use in a O(cpu_period). O(cpus) says it more simply.
    type: int
  cpu_period:
    description: What O(cpu_quota) is counted by, in microseconds. 100000 by default.
    type: int
  cpuset_cpus:
    description: The CPUs that it may run on, such as V(0-3,7).
    type: str
  cpuset_mems:
    description: The memory nodes that it may use, such as V(0).
    type: str
  blkio_weight:
    description: Its weight when it competes for disks with others, from 10 to 1000.
    type: int
  blkio_weight_device:
    description: The same for single disks, as C(path:weight) or dictionaries of C(path) and C(weight).
    type: list
    elements: raw
  device_read_bps:
    description:
      - How many bytes a second it may read from a disk, as C(path:rate), such as V(/dev/sda:10M), or dictionaries of C(path)
        and C(rate).
    type: list
    elements: raw
  device_write_bps:
    description: How many bytes a second it may write to a disk, in the same form.
    type: list
    elements: raw
  device_read_iops:
    description: How many reads a second it may do on a disk, in the same form.
    type: list
    elements: raw
  device_write_iops:
    description: How many writes a second it may do on a disk, in the same form.
    type: list
    elements: raw
  hugetlb_limits:
    description: How much memory in huge pages it may use, as a dictionary of the size of the pages, such as C(2M), and the limit.
    type: dict
  devices:
    description:
      - Devices of the host that it may use, as C(path), C(path:path inside) or either with C(:rwm) or a part of that for read, write
        and mknod. A directory stands for the devices in it.
      - All others are out of reach but for C(null), C(zero), C(full), C(random), C(urandom), C(tty) and terminals.
    type: list
    elements: str
    aliases: [device]
  device_cgroup_rules:
    description: Further devices that it may use once it has a node of them, by number, such as V(c 189:* rmw).
    type: list
    elements: str
    aliases: [device_cgroup_rule]
  security_opts:
    description:
      - V(seccomp=FILE) takes the filter of system calls from a file of the host, in Docker's format. V(seccomp=unconfined) does without.
      - V(seccomp=default-32bit) is the default but for 32-bit programs, which may make sockets by C(socketcall).
      - V(apparmor=PROFILE) confines it by a profile that is loaded on the host. V(apparmor=unconfined) does without.
      - V(label=disable), or V(label=type:TYPE), V(label=level:LEVEL), V(label=user:USER) and V(label=role:ROLE), on hosts with SELinux.
      - V(mask=PATH:PATH) hides paths, V(unmask=PATH:PATH) shows those that are hidden or read-only by default, V(unmask=ALL) or
        V(systempaths=unconfined) all of them.
      - V(no-new-privileges=false) is the same as O(no_new_privileges=false).
    type: list
    elements: str
    aliases: [security_opt]
  no_new_privileges:
    description: Whether its processes can't gain rights by set-user-id programs. True by default, unless O(privileged=true).
    type: bool
  ulimits:
    description:
      - Limits of each of its processes, as C(name=soft:hard) or C(name=both), with V(-1) for no limit.
      - By default C(nofile=1024:524288), or what the host allows, and C(core=0).
    type: list
    elements: str
    aliases: [ulimit]
  sysctls:
    description:
      - Parameters of the kernel, as a dictionary. Only those that belong to a namespace of the container's own.
      - These are C(net.*), C(fs.mqueue.*), and the limits of System V IPC among C(kernel.*).
    type: dict
    aliases: [sysctl]
  oom_score_adj:
    description: How much sooner than others it is killed when the host has no memory left, from -1000 to 1000. 0 by default.
    type: int
  shm_size:
    description: The size of C(/dev/shm). 64M by default.
    type: str
  ipc_mode:
    description:
      - V(private) is IPC of its own, the default. V(shareable) is the same, and others may share it.
      - V(none) is IPC of its own without C(/dev/shm).
      - V(host) is that of the host. V(container:NAME) is that of another container, which must be V(shareable) and run.
    type: str
    aliases: [ipc]
  pid_mode:
    description:
      - V(private) lets it see its own processes only, the default.
      - V(host) lets it see those of the host. V(container:NAME) those of another container, which must run.
    type: str
    aliases: [pid]
  uts_mode:
    description: V(private) is a host name of its own, the default. V(host) is that of the host.
    type: str
    choices: [private, host]
    aliases: [uts]
  cgroupns_mode:
    description: V(private) shows it its own control groups as the topmost, the default. V(host) shows where they are on the host.
    type: str
    choices: [private, host]
    aliases: [cgroupns]
  cgroup_parent:
    description:
      - The control group that its own is made in, such as V(/batch). It is made where it is missing, and stays.
      - That of the engine by default.
    type: str
  groups:
    description: Groups that its user is in besides its own, by name or number of the container.
    type: list
    elements: str
    aliases: [group_add]
  domainname:
    description: The NIS domain name that it sees.
    type: str
  umask:
    description: The permissions that new files don't get, as octal digits in quotes. V("0022") by default.
    type: str
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
      description: C(status), C(running), C(paused), C(pid), C(exit_code), C(oom_killed), C(error), C(started_at) and C(finished_at).
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
    security:
      description:
        - What holds its processes back. C(capabilities), C(no_new_privileges), C(seccomp), which is V(default), V(default-32bit),
          V(unconfined) or a file, and C(apparmor) and C(selinux), which are empty for none.
        - C(note) says why there is no AppArmor profile although the kernel has AppArmor.
      type: dict
    cgroup:
      description: Its control group, below the mount point of each hierarchy.
      type: str
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
