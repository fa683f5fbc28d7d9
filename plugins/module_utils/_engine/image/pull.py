# SPDX-License-Identifier: GPL-3.0-or-later
"""An image by its name alone: it is in the store, or it comes from the registry that the name means, verified."""

from __future__ import annotations

from .. import mediatypes
from ..answer import Answer
from ..digests import sha256
from ..errors import Damaged, EngineError, InvalidSpec, Refused
from ..progress import silent
from ..storage import layout, oci, platforms
from ..values import Value
from . import facts
from .naming import source_of
from .resolve import missing, read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable, TypeVar

    from ..paths import Paths
    from ..progress import Report
    from ..registry.client import Client
    from ..storage.layout import Descriptor as Line
    from ..storage.limits import Limits
    from .reference import Reference
    from .registries import Registries

    T = TypeVar("T")

POLICIES = ("missing", "always", "never")


class Wish(Value):
    """`policy`: whether a registry is asked when the image is there ("always"), is not ("missing"), or not at all ("never")."""

    reference: Reference
    policy: str = "missing"
    platform: str | None = None
    params: dict[str, Any] = {}


def read_wish(reference: Reference, params: dict[str, Any]) -> Wish:
    """InvalidSpec for options that make no sense."""
    policy, platform = params.get("pull") or "missing", params.get("platform")
    if policy not in POLICIES:
        raise InvalidSpec(f"pull: {policy!a} is none of {', '.join(POLICIES)}")
    if platform is not None:
        platforms.parse(platform)
    return Wish(reference=reference, policy=policy, platform=platform, params=params)


def pull(paths: Paths, wish: Wish, limits: Limits, *, check: bool, progress: Report = silent) -> Answer:
    """Let the image be there. The caller holds the name's lock, and called `collect.recover` unless `check`.

    With `check` the registry is asked for digests and documents, never for layers; `changed` and the diff are those of the
    real run. NotFound, NotPermitted, Refused, Unreachable, Damaged: nothing was touched.
    """
    reference = wish.reference
    there = layout.called(layout.read_index(paths), reference.name)
    intact = there is not None and facts.is_intact(paths, there)
    fits = there if there is not None and intact and _fits(paths, wish, there) else None
    if fits and (reference.digest or wish.policy != "always"):
        return _unchanged(paths, reference, fits)
    if wish.policy == "never":
        if there is None or intact:
            raise missing(_shown(reference))
        raise Damaged(f"image {reference.name} lacks a part in the store: let it be pulled, with pull: missing")
    from .registries import Registries, read_access

    registries = Registries(read_access(wish.params), reference.repository)
    wanted = reference.digest or reference.tag
    if fits:
        head = _first(registries, lambda client: client.head(registries.repository, wanted))
        if head and head.digest in (fits["digest"], _pulled(fits)):
            return _unchanged(paths, reference, fits, registries.warnings)
        wanted = head.digest if head else wanted
    return _fetch(paths, wish, registries, wanted, limits, progress, check=check)


def _fetch(
    paths: Paths, wish: Wish, registries: Registries, wanted: str, limits: Limits, progress: Report, *, check: bool
) -> Answer:
    from .arrive import arrive

    reference = wish.reference
    document = _first(registries, lambda client: client.manifest(registries.repository, wanted))
    source = {
        "key": f"pull:{registries.client.name}/{registries.repository}",
        "registry": registries.client.name,
        "repository": registries.repository,
        "digest": document.digest,
    }
    answer = arrive(
        paths, reference.name, _Provider(registries), document.data, document.media_type, source=source, check=check,
        limits=limits, progress=progress, platform=wish.platform,
    )  # fmt: skip
    return answer.replace(warnings=(*answer.warnings, *registries.warnings))


class _Provider:
    """The parts of one repository, for `arrive`. Asked in several processes, each of which finds its own way past broken mirrors."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._givers: list[Client] = []

    def document(self, descriptor: oci.Descriptor) -> bytes:
        """A manifest or a config."""
        repository = self._registries.repository
        if descriptor.media_type in (*mediatypes.MANIFESTS, *mediatypes.INDEXES):
            return _first(self._registries, lambda client: client.manifest(repository, descriptor.digest)).data
        return _first(self._registries, lambda client: _whole(client, repository, descriptor))

    def blob(self, descriptor: oci.Descriptor) -> Iterator[bytes]:
        """A layer as it is stored there; what one registry began, the next goes on with."""
        done, registries = 0, self._registries
        self._givers = []
        for client in list(registries.clients):
            self._givers.append(client)
            try:
                for piece in client.blob(registries.repository, descriptor.digest, descriptor.size, start=done):
                    yield piece
                    done += len(piece)
                return
            except EngineError as error:
                if client is registries.client:
                    raise
                registries.pass_over(client, str(error))
                if not done:
                    self._givers.remove(client)

    def distrust(self, error: EngineError) -> bool:
        """Whether others are left. A mirror that gave the last blob alone is asked no more; of several, only the last is still asked."""
        if len(self._givers) > 1:
            return True
        for client in self._givers:
            if client is self._registries.client:
                return False
            self._registries.pass_over(client, str(error))
        return bool(self._givers)

    def news(self) -> dict[str, str]:
        """The mirrors that were passed over, and why."""
        return self._registries.passed

    def learn(self, news: dict[str, str]) -> None:
        """What another process saw of them."""
        self._registries.learn(news)


def _whole(client: Client, repository: str, descriptor: oci.Descriptor) -> bytes:
    """A small blob. Refused when it is another: the next may have the right one."""
    data = b"".join(client.blob(repository, descriptor.digest, descriptor.size))
    if sha256(data) != descriptor.digest:
        raise Refused(f"document {descriptor.digest} has another content than its digest says: {sha256(data)}")
    return data


def _first(registries: Registries, act: Callable[[Client], T]) -> T:
    """What the first that can answer answers; the registry's own error when none can."""
    for mirror in registries.clients[:-1]:
        try:
            found = act(mirror)
        except EngineError as error:
            registries.pass_over(mirror, str(error))
            continue
        if found is not None:
            return found
    return act(registries.client)


def _fits(paths: Paths, wish: Wish, there: Line) -> bool:
    """Whether the image under that name is the one that the digest and the platform ask for."""
    reference = wish.reference
    if reference.digest and reference.digest not in (there["digest"], _pulled(there)):
        return False
    if wish.platform is None:
        return True
    config = read_document(paths, read_document(paths, there["digest"])["config"]["digest"])
    system, machine, variant = platforms.parse(wish.platform)
    if (config.get("os"), config.get("architecture")) != (system, machine):
        return False
    return variant in ("", config.get("variant") or variant)


def _pulled(there: Line) -> str:
    """The digest by which the registry had it: an index's, where it was chosen from one."""
    return str(source_of(there).get("digest") or "")


def _unchanged(paths: Paths, reference: Reference, there: Line, warnings: tuple[str, ...] = ()) -> Answer:
    state = facts.state_before(paths, reference.name, there)
    return Answer(before=state, after=state, result={"image": facts.describe(paths, there)}, warnings=warnings)


def _shown(reference: Reference) -> str:
    tag = f":{reference.tag}" if reference.tag else ""
    return f"{reference.repository}{tag}{'@' if reference.digest else ''}{reference.digest}"
