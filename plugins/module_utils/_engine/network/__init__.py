# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges, addresses, names and ports."""
