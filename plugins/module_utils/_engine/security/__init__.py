# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities, masked paths, id ranges: what a container may do."""
