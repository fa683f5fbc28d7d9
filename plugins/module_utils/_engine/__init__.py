# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine: knows nothing of Ansible, imports downward only, runs under python3 -I -S."""
