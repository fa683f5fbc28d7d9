# SPDX-License-Identifier: GPL-3.0-or-later
"""The OCI runtime: bundles that others made, one file per operation of the runtime specification."""
