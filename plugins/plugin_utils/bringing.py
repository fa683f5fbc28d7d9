# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image that the controller describes to a host, which says what it lacks: that goes there, for as long as the task takes."""

from __future__ import annotations

import json
import os
import tempfile

from ansible import constants
from ansible.errors import AnsibleActionFail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .delivery import DeliveringAction

    Export = Callable[[set[str], str], None]


def bring(
    target: DeliveringAction, module: str, arguments: dict[str, Any], task_vars: dict[str, Any],
    documents: dict[str, Any], export: Export,
) -> dict[str, Any]:  # fmt: skip
    """The result of container_image for what `documents` describe; `export` writes the blobs of these digests into a tar.

    Nothing is written where nothing is missing, and in check mode. The file on the host goes with the task's directory.
    """
    asked = {**arguments, "documents": json.dumps(documents)}
    result = target.run_delivered(module, asked, task_vars)
    missing = result.get("blobs_missing")
    if not missing:
        return result
    descriptor, local = tempfile.mkstemp(dir=constants.DEFAULT_LOCAL_TMP, prefix="berth-image-", suffix=".tar")
    os.close(descriptor)
    try:
        export(set(missing), local)
        return target.run_delivered(module, {**asked, "archive": target.send(local, "image.tar")}, task_vars)
    finally:
        os.unlink(local)


def refuse_async(target: DeliveringAction, option: str) -> None:
    """A job can't ask back."""
    if target._task.async_val:
        raise AnsibleActionFail(f"{option} can't be had with async: the controller carries what the job would wait for")
