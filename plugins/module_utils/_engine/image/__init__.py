# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per thing that can be done to an image."""
