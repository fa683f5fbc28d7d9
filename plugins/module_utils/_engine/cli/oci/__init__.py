# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of `berth oci`, by what they do; each file has its own in VERBS."""
