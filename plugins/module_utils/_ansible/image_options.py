# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an image, declared once: for the module container_image and for the images of an environment."""

from __future__ import annotations

from .registry_options import ACCESS, KEY_NEEDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXTS = {"type": "list", "elements": "str"}

# Without credentials: they belong into no document. container_registry_login, or the module's own options, are for them.
IMAGE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "rootfs": {"type": "path"},
    "remote_src": {"type": "bool", "default": True},
    "checksum": {"type": "str"},
    "bootstrap": {"type": "str", "choices": ["busybox", "debootstrap"]},
    "suite": {"type": "str"},
    "mirror": {"type": "str"},
    "packages": _TEXTS,
    "variant": {"type": "str", "choices": ["minbase", "buildd", "fakechroot", "standard"]},
    "archive": {"type": "path"},
    "archive_reference": {"type": "str"},
    "pull": {"type": "str", "choices": ["always", "missing", "never"], "default": "missing"},
    "platform": {"type": "str"},
    "mirrors": _TEXTS,
    **ACCESS,
    "max_unpacked_size": {"type": "str"},
    "max_entries": {"type": "int"},
    "command": {"type": "raw"},
    "entrypoint": _TEXTS,
    "env": {"type": "dict"},
    "user": {"type": "str"},
    "working_dir": {"type": "str", "aliases": ["workdir"]},
    "labels": {"type": "dict", "aliases": ["label"]},
    "exposed_ports": {**_TEXTS, "aliases": ["expose", "exposed"]},
    "force": {"type": "bool", "default": False},
}

# What excludes or needs what, as AnsibleModule and ArgumentSpecValidator take it.
RULES: dict[str, Any] = {
    "mutually_exclusive": [("rootfs", "bootstrap", "archive")],
    "required_by": {"checksum": "rootfs", "archive_reference": "archive", **KEY_NEEDS},
    "required_if": [("bootstrap", "debootstrap", ("suite",))],
}

# What only the action plugin can do. `documents` is what the source says of the image, as JSON; it belongs into no log.
SOURCE: dict[str, dict[str, Any]] = {
    "source_host": {"type": "str"},
    "source_root": {"type": "path"},
    "documents": {"type": "str", "no_log": True},
}
