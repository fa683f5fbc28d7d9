# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per command: `COMMAND` declares what it takes, `run` does it and returns the exit status."""
