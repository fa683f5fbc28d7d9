# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a container, declared once: for the module container and for the containers of an environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXTS = {"type": "list", "elements": "str"}

# No defaults but for the state: an option that is left out is no opinion, and the engine knows its own defaults.
CONTAINER: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["absent", "present", "started", "stopped"], "default": "started"},
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
}
