# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as it is kept: found by name in one step, by the beginning of its id in a listing. It exists when its record does."""

from __future__ import annotations

import os
import time

from .. import names
from ..cgroup import scopes
from ..errors import Conflict, Damaged, NotFound
from ..locks import DirectoryLock, Lock
from ..paths import Paths
from ..records import read_record, sync_directory, write_first, write_record
from ..runtime.state import State, observe, supervisor_of
from ..values import Value
from .spec import Spec, from_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# A supervisor needs some 50 ms from its container's end until it has written it down.
_RECORDING = 5.0


class Record(Value):
    """`spec` is what the user asked for; `image` and `image_digest` what it resolved to when the container was made.

    `created` is in seconds since the epoch; `id_start` the first host id of its user namespace, None without one.
    """

    id: str
    spec: Spec
    image: str
    image_digest: str
    created: float
    id_start: int | None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_wreck(self) -> bool:
        """Whether it stands in for a record that is damaged."""
        return not self.image

    def group(self, paths: Paths) -> str:
        """The group that its own is made in, below each hierarchy: under systemd a scope of its own, unless it is to be elsewhere."""
        above = self.spec.cgroup_parent
        if scopes.managed() and (not above or above.endswith(".slice")):
            return scopes.scope_of(paths.cgroup, self.id, above.rpartition("/")[2] if above else "")
        return above or paths.cgroup

    def state(self, paths: Paths) -> State:
        """What the files and the kernel say now; an end that its supervisor is about to record is waited for."""
        home, run = paths.container(self.id), paths.container_run(self.id)
        now, end = observe(home, run), time.monotonic() + _RECORDING
        while now.unseen and time.monotonic() < end:
            expected = supervisor_of(run)
            now = observe(home, run)
            if not expected:
                break
            time.sleep(0.002)
        return now


def find(paths: Paths, reference: str, *, anyhow: bool = False) -> Record:
    """The container of that name, id, or unique beginning of an id. NotFound, or Conflict when several begin so; Damaged as `load`."""
    record = find_by_name(paths, reference, anyhow=anyhow)
    if record:
        return record
    if names.is_id(reference):
        found = [name for name in os.listdir(paths.containers) if name.startswith(reference)]
        if len(found) > 1:
            raise Conflict(f"{len(found)} containers have ids that begin with {reference}: write more of it")
        if found:
            return load(paths, found[0], anyhow=anyhow)
    raise NotFound(f"no container {reference!a}: berth ps -a lists those there are")


def find_by_name(paths: Paths, name: str, *, anyhow: bool = False) -> Record | None:
    """The container of that name, or None. A name whose container is gone is free. Damaged as `load`."""
    try:
        ident = os.readlink(f"{paths.names}/{names.check_name(name)}")
        return load(paths, ident, anyhow=anyhow)
    except (FileNotFoundError, NotFound):
        return None


def load(paths: Paths, ident: str, *, anyhow: bool = False) -> Record:
    """The record of the container with that whole id. NotFound; Damaged, but for who wants one `anyhow`: to take it away."""
    try:
        fields = read_record(f"{paths.container(ident)}/record.json")
    except Damaged as error:
        from . import wreck

        if anyhow:
            return wreck.stand_in(paths, ident)
        raise Damaged(f"container {wreck.name_of(paths, ident)}: {error}") from error
    return Record(
        id=ident,
        spec=from_record(fields["spec"]),
        image=fields["image"],
        image_digest=fields["image_digest"],
        created=fields["created"],
        id_start=fields["id_start"],
    )


def lock(paths: Paths, record: Record) -> DirectoryLock:
    """Held while a container is started, stopped, removed or committed."""
    return DirectoryLock(paths.container(record.id), f"container {record.name}")


def lock_name(paths: Paths, name: str) -> Lock:
    """Held while a name is given to a container. Names share 64 locks, so that names of the past leave no files."""
    return Lock(paths.locks, f"container-names-{sum(name.encode()) % 64}")


def every(paths: Paths, *, anyhow: bool = False, damaged: list[Damaged] | None = None) -> Iterator[Record]:
    """All containers, oldest first. Damaged as `load`; with a list in `damaged` the error goes there, and the others are given."""
    found = []
    for ident in os.listdir(paths.containers):
        try:
            found.append(load(paths, ident, anyhow=anyhow))
        except NotFound:
            continue
        except Damaged as error:
            if damaged is None:
                raise
            damaged.append(error)
    return iter(sorted(found, key=lambda record: (record.created, record.name)))


def write(record: Record, directory: str, *, first: bool = False) -> None:
    """Write record.json below `directory`; for the `first` time while nobody else can see that."""
    fields = record.as_dict()
    del fields["id"]
    put = write_first if first else write_record
    put(f"{directory}/record.json", fields)


def publish(paths: Paths, record: Record, staged: str) -> None:
    """Make a staged directory the container: from the rename on it exists, from `settle` on it lasts.

    The caller holds the name's lock.
    """
    point(paths, record, staged)
    os.rename(staged, paths.container(record.id))


def settle(paths: Paths) -> None:
    """Let what was published survive a power cut. Takes the disk's time: do it beside something else if you can."""
    sync_directory(paths.containers)


def point(paths: Paths, record: Record, directory: str = "") -> None:
    """Let the container's name lead to it, whatever it led to before. Atomic. `directory` is where it lies, if not in its place yet."""
    link = f"{paths.names}/{record.name}"
    scratch = f"{directory or paths.container(record.id)}/name"
    try:
        os.symlink(record.id, scratch)
    except FileExistsError:
        pass  # of a command that was killed here; it leads to the same place
    os.rename(scratch, link)


def free_names(paths: Paths) -> None:
    """Free the names whose containers are gone: a command that was killed between the two had no time to."""
    for name in os.listdir(paths.names):
        with lock_name(paths, name):
            try:
                if not os.path.isdir(paths.container(os.readlink(f"{paths.names}/{name}"))):
                    os.unlink(f"{paths.names}/{name}")
            except FileNotFoundError:
                continue


def withdraw(paths: Paths, record: Record) -> str:
    """The reverse: from the rename on it is gone; returns the directory in staging that is left to delete."""
    trash = f"{paths.staging}/container-{record.id}-{os.getpid()}-{time.monotonic_ns():x}"
    os.rename(paths.container(record.id), trash)
    link = f"{paths.names}/{record.name}"
    try:
        if os.readlink(link) == record.id:
            os.unlink(link)
    except FileNotFoundError:
        pass  # somebody else has removed it
    return trash
