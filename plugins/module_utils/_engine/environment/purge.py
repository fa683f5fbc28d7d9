# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `purge`: the end of a root, with everything in it and everything of it in the kernel. Volumes that hold something stay."""

from __future__ import annotations

import contextlib
import os

from ..answer import Answer
from ..cgroup import group, hierarchy, systemd
from ..container import record as records
from ..container.remove import remove
from ..container.stop import stop
from ..errors import Conflict
from ..network import attach
from ..storage import layout
from ..storage.staging import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths

_OURS = (
    "containers",
    "replacing",
    "names",
    "networks",
    "leases",
    "staging",
    "skeletons",
    "layers",
    "blobs",
    "index.json",
    "oci-layout",
)


def purge(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Remove all containers, images, network, cgroups and files of this root, but for the engines and `volumes` with something in.

    Conflict when a container runs, unless `force`. The result's `run` is the directory of run-time files, for the caller to remove.
    """
    found = tuple(records.every(paths, anyhow=True))
    running = [record.name for record in found if record.state(paths).status == "running"]
    if running and not params.get("force"):
        raise Conflict(f"containers {', '.join(running)} run below {paths.root}: stop them first, or use force")
    images = [layout.name_of(item) or item["digest"] for item in layout.read_index(paths)]
    before = {"containers": [record.name for record in found], "images": images, "root": paths.root}
    if not check:
        stop(paths, found)
        for record in found:
            with contextlib.suppress(FileNotFoundError):
                remove(paths, record, force=True)
        attach.remove_network(paths)
        systemd.close_slice(paths.cgroup)
        group.remove(tuple(f"{point}/{paths.kernel_name('berth')}" for point in hierarchy.mounted().mount_points()))
        _remove_files(paths)
    return Answer(changed=True, before=before, after={}, result={"run": paths.run})


def _remove_files(paths: Paths) -> None:
    """Only what the engine made there: the root may be a directory that holds something else."""
    above = os.open(paths.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in _OURS:
            with contextlib.suppress(FileNotFoundError):
                remove_tree(above, name.encode())
    finally:
        os.close(above)
    with contextlib.suppress(OSError):
        os.rmdir(paths.volumes)
