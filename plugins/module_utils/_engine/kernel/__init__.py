# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin typed system calls and /proc parsers; no policy."""
