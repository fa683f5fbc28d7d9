# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts make up a container's root."""
