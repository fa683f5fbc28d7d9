# SPDX-License-Identifier: GPL-3.0-or-later
"""The side-by-side benchmark of berth, Docker and Podman; see README.md."""
