# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries as the OCI distribution spec has them: bytes and media types go in and out, what they mean is for others."""
