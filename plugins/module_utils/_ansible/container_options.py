# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a container, declared once: for the module container and for the containers of an environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXTS = {"type": "list", "elements": "str"}
# Texts of path and number, or dictionaries of the two.
_PER_DEVICE = {"type": "list", "elements": "raw"}

# No defaults but for the state: an option that is left out is no opinion, and the engine knows its own defaults.
CONTAINER: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["absent", "present", "started", "stopped", "paused"], "default": "started"},
    "image": {"type": "str"},
    "command": {"type": "raw"},
    "entrypoint": _TEXTS,
    "env": {"type": "dict"},
    "user": {"type": "str"},
    "working_dir": {"type": "str", "aliases": ["workdir"]},
    "hostname": {"type": "str"},
    "labels": {"type": "dict", "aliases": ["label"]},
    "memory": {"type": "str"},
    "cpus": {"type": "float"},
    "pids_limit": {"type": "int"},
    "read_only": {"type": "bool"},
    "tmpfs": {"type": "raw"},
    "volumes": {**_TEXTS, "aliases": ["volume"]},
    "network_mode": {"type": "str", "aliases": ["net", "network"]},
    "published_ports": {**_TEXTS, "aliases": ["ports", "publish", "published"]},
    "dns_servers": {**_TEXTS, "aliases": ["dns"]},
    "etc_hosts": {"type": "dict", "aliases": ["add_hosts"]},
    "stop_signal": {"type": "str"},
    "stop_timeout": {"type": "str"},
    "auto_remove": {"type": "bool", "aliases": ["remove", "rm"]},
    "recreate": {"type": "bool"},
    "cap_add": {**_TEXTS, "aliases": ["capabilities"]},
    "cap_drop": _TEXTS,
    "privileged": {"type": "bool"},
    "userns_mode": {"type": "str", "aliases": ["userns"]},
    "memory_swap": {"type": "str"},
    "memory_reservation": {"type": "str"},
    "memory_swappiness": {"type": "int"},
    "cpu_shares": {"type": "int"},
    "cpu_quota": {"type": "int"},
    "cpu_period": {"type": "int"},
    "cpuset_cpus": {"type": "str"},
    "cpuset_mems": {"type": "str"},
    "blkio_weight": {"type": "int"},
    "blkio_weight_device": _PER_DEVICE,
    "device_read_bps": _PER_DEVICE,
    "device_write_bps": _PER_DEVICE,
    "device_read_iops": _PER_DEVICE,
    "device_write_iops": _PER_DEVICE,
    "hugetlb_limits": {"type": "dict"},
    "devices": {**_TEXTS, "aliases": ["device"]},
    "device_cgroup_rules": {**_TEXTS, "aliases": ["device_cgroup_rule"]},
    "security_opts": {**_TEXTS, "aliases": ["security_opt"]},
    "no_new_privileges": {"type": "bool"},
    "ulimits": {**_TEXTS, "aliases": ["ulimit"]},
    "sysctls": {"type": "dict", "aliases": ["sysctl"]},
    "oom_score_adj": {"type": "int"},
    "shm_size": {"type": "str"},
    "ipc_mode": {"type": "str", "aliases": ["ipc"]},
    "pid_mode": {"type": "str", "aliases": ["pid"]},
    "uts_mode": {"type": "str", "choices": ["private", "host"], "aliases": ["uts"]},
    "cgroupns_mode": {"type": "str", "choices": ["private", "host"], "aliases": ["cgroupns"]},
    "cgroup_parent": {"type": "str"},
    "groups": {**_TEXTS, "aliases": ["group_add"]},
    "domainname": {"type": "str"},
    "umask": {"type": "str"},
}
