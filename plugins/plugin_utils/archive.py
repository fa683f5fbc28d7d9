# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive of images that lies on the controller: it is read there, and a host is given what it lacks of the image it wants."""

from __future__ import annotations

import contextlib
import sys
import tarfile

from ansible import constants
from ansible.errors import AnsibleActionFail

from .bringing import bring, refuse_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..module_utils._engine.image.archive import Found
    from ..module_utils._engine.storage.members import Members
    from ..module_utils._engine.storage.oci import Descriptor, Manifest
    from .delivery import DeliveringAction

_DEPTH = 4


def load_archive(
    target: DeliveringAction, module: str, path: str, arguments: dict[str, Any], task_vars: dict[str, Any]
) -> dict[str, Any] | None:
    """The result of container_image for the archive at `path` of the controller; None when it is no more than one layer."""
    if not sys.platform.startswith("linux"):
        raise AnsibleActionFail(
            "archive with remote_src: false needs a controller that runs Linux: copy it to the host before"
        )
    from ..module_utils._engine.errors import EngineError

    try:
        with _opened(path, arguments) as files:
            if files is None:
                return None
            refuse_async(target, "archive with remote_src: false")
            image = Image(files, _chosen(files, arguments))
            rest = {name: value for name, value in arguments.items() if name not in ("archive", "archive_reference")}
            return bring(target, module, rest, task_vars, image.documents(), image.export)
    except EngineError as error:
        raise AnsibleActionFail(f"on the controller: {error}") from None


@contextlib.contextmanager
def _opened(path: str, arguments: dict[str, Any]) -> Iterator[Members | None]:
    from ..module_utils._engine.image.archive import open_members
    from ..module_utils._engine.image.converge import read_spec
    from ..module_utils._engine.paths import Paths

    given = {name: arguments.get(name) for name in ("name", "max_unpacked_size")}
    with open_members(Paths(constants.DEFAULT_LOCAL_TMP), path, read_spec(given).limits) as (files, _unused):
        yield files


def _chosen(files: Members, arguments: dict[str, Any]) -> Found:
    from ..module_utils._engine.image.archive import choose
    from ..module_utils._engine.image.reference import parse

    reference = arguments.get("archive_reference")
    return choose(files, None if reference is None else str(reference), parse(str(arguments["name"])).name)


class Image:
    """One image of the archive, which stays open; what it is for is for the host to find."""

    def __init__(self, files: Members, found: Found) -> None:
        self._files, self._found = files, found
        self._parts: dict[str, bytes] = {}
        self._layers: dict[str, Descriptor] = {}
        self._look(found.data, found.media_type, _DEPTH)

    def documents(self) -> dict[str, Any]:
        """What the engine's container_image_receive reads."""
        parts = [data.decode() for data in self._parts.values()]
        return {"media_type": self._found.media_type, "manifest": self._found.data.decode(), "parts": parts}

    def export(self, wanted: set[str], local: str) -> None:
        """Write these layers to the file `local`, as an OCI archive has them."""
        with tarfile.open(local, "w", format=tarfile.PAX_FORMAT) as tar:
            for digest in sorted(wanted):
                layer = self._layers[digest]
                info = tarfile.TarInfo(f"blobs/{digest.replace(':', '/')}")
                info.size = layer.size
                try:
                    tar.addfile(info, _Blocks(self._found.provider.blob(layer)))
                except OSError as error:
                    raise AnsibleActionFail(f"{self._files.what}: layer {digest} was not read: {error}") from None

    def _look(self, data: bytes, media_type: str, depth: int) -> None:
        """Keep what a manifest or index leads to. Many an index names what is not in the archive."""
        from ..module_utils._engine.errors import Refused
        from ..module_utils._engine.storage import oci

        document = oci.read_manifest(data, media_type, f"a manifest in {self._files.what}")
        if not isinstance(document, oci.Index):
            self._keep(document)
            return
        for item in document.manifests if depth else ():
            with contextlib.suppress(Refused, UnicodeDecodeError):
                inner = self._found.provider.document(item)
                inner.decode()
                self._look(inner, item.media_type, depth - 1)
                self._parts[item.digest] = inner

    def _keep(self, manifest: Manifest) -> None:
        config = self._found.provider.document(manifest.config)
        config.decode()
        self._parts[manifest.config.digest] = config
        self._layers.update((layer.digest, layer) for layer in manifest.layers)


class _Blocks:
    """Blocks as a file that is read from its beginning to its end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def read(self, most: int = -1, /) -> bytes:
        """At most so many bytes; fewer at the end only."""
        most = most if most >= 0 else sys.maxsize
        while len(self._rest) < most and (block := next(self._blocks, b"")):
            self._rest += block
        data, self._rest = self._rest[:most], self._rest[most:]
        return data
