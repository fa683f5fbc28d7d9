# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of an environment: entries as the verbs of one image and one container take them, in the order they need each other."""

from __future__ import annotations

from ..container.normalise import normalise
from ..errors import EngineError, InvalidSpec
from ..image.converge import read_spec
from ..image.reference import parse
from ..names import check_name
from ..network.modes import CONTAINER
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable

    Entry = Mapping[str, Any]

_SHARING = ("network_mode", "userns_mode", "pid_mode", "ipc_mode")


class Document(Value):
    """Images and containers in the order of the user's lists."""

    images: tuple[Entry, ...] = ()
    containers: tuple[Entry, ...] = ()

    def made(self) -> tuple[Entry, ...]:
        """The images that are to be there."""
        return tuple(entry for entry in self.images if not _is_absent(entry))

    def unmade(self) -> tuple[Entry, ...]:
        """The images that are not to be there."""
        return tuple(entry for entry in self.images if _is_absent(entry))

    def waves(self) -> tuple[tuple[Entry, ...], ...]:
        """The containers in groups that can be converged side by side: first those that go, then each behind what it shares."""
        staying = {entry["name"]: entry for entry in self.containers if not _is_absent(entry)}
        depth = {name: _depth(name, staying, ()) for name in staying}
        deepest = max(depth.values(), default=-1)
        groups = [tuple(entry for entry in self.containers if _is_absent(entry))]
        groups += [tuple(staying[name] for name in staying if depth[name] == level) for level in range(deepest + 1)]
        return tuple(group for group in groups if group)


def read(params: Mapping[str, Any]) -> Document:
    """The document of a request. InvalidSpec with a line for every fault, each with its place."""
    images, containers = tuple(params.get("images") or ()), tuple(params.get("containers") or ())
    faults = _faults("images", images, _check_image) + _faults("containers", containers, _check_container)
    if faults:
        raise InvalidSpec("\n".join(faults))
    document = Document(images=images, containers=containers)
    document.waves()
    return document


def _faults(kind: str, entries: tuple[Entry, ...], check: Callable[[Entry], str]) -> list[str]:
    """One line for each faulty entry; `check` gives the name that an entry takes."""
    found: list[str] = []
    first: dict[str, int] = {}
    for place, entry in enumerate(entries):
        try:
            name = check(entry)
        except EngineError as error:
            found.append(f"{kind}[{place}]: {error}")
            continue
        if first.setdefault(name, place) != place:
            found.append(f"{kind}[{place}]: {name} is the name of {kind}[{first[name]}] already")
    return found


def _check_image(entry: Entry) -> str:
    return parse(read_spec(dict(entry)).name).name


def _check_container(entry: Entry) -> str:
    name = check_name(entry.get("name"))
    if not _is_absent(entry) and entry.get("image"):
        normalise(entry)
    return name


def _is_absent(entry: Entry) -> bool:
    return entry.get("state") == "absent"


def _depth(name: str, staying: Mapping[str, Entry], behind: tuple[str, ...]) -> int:
    """How many containers of the document must run before this one."""
    if name in behind:
        raise InvalidSpec(
            f"containers {', '.join(sorted(behind))} wait for each other by what they share: break the circle"
        )
    return max((1 + _depth(target, staying, (*behind, name)) for target in _targets(staying[name], staying)), default=0)


def _targets(entry: Entry, staying: Mapping[str, Entry]) -> set[str]:
    """The containers of the document whose namespaces this one shares."""
    modes = (str(entry.get(option) or "").partition(":") for option in _SHARING)
    return {target for kind, _unused, target in modes if kind == CONTAINER and target in staying}
