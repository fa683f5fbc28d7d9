# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs, layers and their trees: an OCI image layout that is also unpacked."""
