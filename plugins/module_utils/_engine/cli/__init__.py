# SPDX-License-Identifier: GPL-3.0-or-later
"""The door for people: one file per command, and nothing imported before the command is known."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
