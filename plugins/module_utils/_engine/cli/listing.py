# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ps` and `port` know of a container: its record, its state, its image's command, its ports."""

from __future__ import annotations

from ..container.processes import command_of
from ..errors import EngineError
from ..image.resolve import resolve
from ..network import attach
from ..network.ports import parse_ports
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..container.record import Record
    from ..network.ports import Port
    from ..paths import Paths
    from ..runtime.state import State


class Listed(Value):
    """One row."""

    record: Record
    state: State
    command: tuple[str, ...]
    ports: tuple[Port, ...]


def ports_of(paths: Paths, record: Record, state: State) -> tuple[Port, ...]:
    """The ports of the host that lead to it: with their final numbers while it runs, else those that were asked for."""
    attachment = attach.attachment_of(paths, record.id) if state.status == "running" else None
    return attachment.ports if attachment else parse_ports(record.spec.published_ports)


class Commands:
    """The commands of containers; each image is read once."""

    __slots__ = ("_known", "_paths")

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._known: dict[str, dict[str, object]] = {}

    def of(self, record: Record) -> tuple[str, ...]:
        """What the container runs; without the image's part when the image is gone."""
        return command_of(record.spec, self._config(record.image_digest))

    def _config(self, digest: str) -> dict[str, object]:
        if digest not in self._known:
            try:
                self._known[digest] = resolve(self._paths, digest).config
            except EngineError:
                self._known[digest] = {}
        return self._known[digest]
