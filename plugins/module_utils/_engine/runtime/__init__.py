# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens inside the container's own processes: supervisor, init, root, attach, log."""
