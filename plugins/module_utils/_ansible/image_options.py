# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an image, declared once: for the module container_image and for the images of an environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXTS = {"type": "list", "elements": "str"}

IMAGE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "rootfs": {"type": "path"},
    "remote_src": {"type": "bool", "default": True},
    "checksum": {"type": "str"},
    "bootstrap": {"type": "str", "choices": ["busybox"]},
    "command": {"type": "raw"},
    "entrypoint": _TEXTS,
    "env": {"type": "dict"},
    "user": {"type": "str"},
    "working_dir": {"type": "str", "aliases": ["workdir"]},
    "labels": {"type": "dict", "aliases": ["label"]},
    "exposed_ports": {**_TEXTS, "aliases": ["expose", "exposed"]},
    "force": {"type": "bool", "default": False},
}
