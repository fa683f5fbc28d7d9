# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container is counted and limited, on version 1, version 2 and hybrid hosts."""
