# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that came from the controller, kept on the host under the digest of their content so that none is sent twice."""

from __future__ import annotations

import hashlib
import os

from .delivery import engine_home, private
from .request import must_be_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from ansible.module_utils.basic import AnsibleModule

_KEPT = 4


def receive(module: AnsibleModule) -> None:
    """Let the option rootfs name a file with the right checksum on this host.

    End the module with upload_missing when the controller has to send it first.
    """
    rootfs, checksum = module.params["rootfs"], module.params["checksum"]
    must_be_root(module)
    if not rootfs or (not checksum and module.params["remote_src"]):
        return
    if module.params["remote_src"]:
        if not os.path.isfile(rootfs) or _digest(rootfs) != checksum:
            module.fail_json(msg=f"{rootfs} is not the file with checksum {checksum}: nothing was done")
        return
    directory = private(os.path.dirname(engine_home(module.params["root"])), "uploads")
    path = f"{directory}/{checksum}"
    if not os.path.exists(path):
        if not os.path.isfile(rootfs) or not _keep(rootfs, path, checksum):
            module.fail_json(msg=f"{rootfs} with checksum {checksum} did not come here", upload_missing=True)
        _forget_oldest(directory)
    module.params["rootfs"] = path


def _digest(path: str, copy_to: IO[bytes] | None = None) -> str:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
            if copy_to:
                copy_to.write(block)
    return total.hexdigest()


def _keep(sent: str, path: str, checksum: str) -> bool:
    """Copy the file to `path` if it has that checksum. Atomic: the temporary directory may be another file system."""
    scratch = f"{path}.{os.getpid()}"
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        right = _digest(sent, target) == checksum
        target.flush()
        os.fsync(target.fileno())
    if right:
        os.rename(scratch, path)
    else:
        os.unlink(scratch)
    return right


def _forget_oldest(directory: str) -> None:
    """A few are kept, the last that came: they only save sending again. They stay untouched, so that the engine knows them."""
    paths = sorted((f"{directory}/{name}" for name in os.listdir(directory)), key=os.path.getmtime)
    for path in paths[:-_KEPT]:
        os.unlink(path)
