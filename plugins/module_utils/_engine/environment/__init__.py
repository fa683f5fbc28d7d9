# SPDX-License-Identifier: GPL-3.0-or-later
"""Many images and containers as one document: read whole before anything is done, then converged side by side."""
