# SPDX-License-Identifier: GPL-3.0-or-later
"""What the thin modules share: the only part on a host that imports Ansible."""
