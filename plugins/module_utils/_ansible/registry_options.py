# SPDX-License-Identifier: GPL-3.0-or-later
"""The options by which modules reach a registry, declared once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Documented in the fragment berth.containers.attributes.access.
ACCESS: dict[str, dict[str, Any]] = {
    "authfile": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_cert": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "plain_http": {"type": "bool", "default": False},
}

# Documented in the fragment berth.containers.attributes.credentials.
CREDENTIALS: dict[str, dict[str, Any]] = {
    "registry_username": {"type": "str"},
    "registry_password": {"type": "str", "no_log": True},
}

KEY_NEEDS = {"client_key": "client_cert"}
TOGETHER = [("registry_username", "registry_password")]
