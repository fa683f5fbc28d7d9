# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for half-made things: a directory below staging/ that its maker holds by flock, so that a dead maker's is known."""

from __future__ import annotations

import fcntl
import os

from ..errors import from_os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SHALLOW = 64


class Staging:
    """`with Staging(paths, "import") as place:` gives a private directory that is gone afterwards, with what is left in it.

    `place.path` is its path, `place.fd` its descriptor. Killed with SIGKILL, it is left over for `sweep` to find.
    """

    def __init__(self, paths: Paths, purpose: str) -> None:
        self._above, self._purpose = paths.staging, purpose
        self.path, self.fd = "", -1

    def __enter__(self) -> Staging:
        try:
            while self.fd < 0:
                self._claim(f"{self._purpose}-{os.getpid()}-{os.urandom(4).hex()}")
        except OSError as error:
            raise from_os(error, f"make a directory in {self._above}") from error
        return self

    def __exit__(self, *_: object) -> None:
        above = os.open(self._above, _DIRECTORY)
        try:
            remove_tree(above, os.path.basename(self.path).encode())
        finally:
            os.close(above)
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1

    def hand_over(self) -> int:
        """The descriptor that holds the directory, for whoever it belongs to once it has been renamed into its place."""
        descriptor, self.fd = self.fd, -1
        return descriptor

    def _claim(self, name: str) -> None:
        path = f"{self._above}/{name}"
        os.mkdir(path, 0o700)
        try:
            descriptor = os.open(path, _DIRECTORY)
        except FileNotFoundError:
            return  # a sweeper was quicker
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A sweeper may have come between mkdir and flock; then this is no longer that directory.
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                self.path, self.fd = path, descriptor
                return
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return
        os.close(descriptor)


def has_dead(paths: Paths) -> bool:
    """Whether a command that died has left something in staging."""
    for path in _entries(paths):
        descriptor = _claim_dead(path)
        if descriptor >= 0:
            os.close(descriptor)
            return True
    return False


def dead(paths: Paths) -> list[str]:
    """The paths of what dead commands left in staging."""
    found = []
    for path in sorted(_entries(paths)):
        descriptor = _claim_dead(path)
        if descriptor >= 0:
            os.close(descriptor)
            found.append(path)
    return found


def sweep(paths: Paths) -> None:
    """Clean up after commands that died: what they left in staging, and what they moved into the store without naming it."""
    if has_dead(paths):
        # To remove the one without collecting the other would take away the sign that there is something to collect.
        from .collect import recover

        recover(paths)


def remove_dead(paths: Paths) -> int:
    """Remove what dead commands left in staging; return how many things that were. Live ones are not touched."""
    count = 0
    for path in _entries(paths):
        descriptor = _claim_dead(path)
        if descriptor < 0:
            continue
        above = os.open(paths.staging, _DIRECTORY)
        try:
            remove_tree(above, os.fsencode(os.path.basename(path)))
            count += 1
        finally:
            os.close(above)
            os.close(descriptor)
    return count


def _entries(paths: Paths) -> list[str]:
    try:
        return [f"{paths.staging}/{name}" for name in os.listdir(paths.staging)]
    except FileNotFoundError:
        return []


def _claim_dead(path: str) -> int:
    """A descriptor that holds the lock of a dead command's entry, or -1 for a live one's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


def remove_tree(above: int, name: bytes) -> None:
    """Remove `name` in the directory `above`, whatever it is and however deep; links are not followed. Missing is fine."""
    queue = [name]
    while queue:
        _remove(above, queue.pop(), queue)


def _remove(above: int, name: bytes, queue: list[bytes]) -> None:
    try:
        os.unlink(name, dir_fd=above)
        return
    except FileNotFoundError:
        return
    except IsADirectoryError:
        frames = [(above, name, *_empty(above, name))]
    try:
        while frames:
            parent, last, here, inner = frames[-1]
            if not inner:
                frames.pop()
                os.close(here)
                _rmdir(parent, last)
            elif len(frames) < _SHALLOW:
                below = inner.pop()
                frames.append((here, below, *_empty(here, below)))
            else:
                # One descriptor per level: what lies deeper is moved up and removed on its own.
                up = b"deep-%d-%s" % (os.getpid(), os.urandom(4).hex().encode())
                os.rename(inner.pop(), up, src_dir_fd=here, dst_dir_fd=above)
                queue.append(up)
    finally:
        for _parent, _last, descriptor, _inner in frames:
            os.close(descriptor)


def _rmdir(parent: int, name: bytes) -> None:
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return


def _empty(parent: int, name: bytes) -> tuple[int, list[bytes]]:
    """A descriptor of the directory, and the directories in it; everything else in it is gone. Two may do so at once."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return os.dup(parent), []
    inner = []
    for entry in os.listdir(directory):
        below = os.fsencode(entry)
        try:
            os.unlink(below, dir_fd=directory)
        except IsADirectoryError:
            inner.append(below)
        except FileNotFoundError:
            continue
    return directory, inner
