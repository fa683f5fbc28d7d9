# SPDX-License-Identifier: GPL-3.0-or-later
"""One value in one file of a group: what it is for, what takes it back, and the sentence for a kernel that does not take it."""

from __future__ import annotations

import errno
import os

from ..errors import Conflict, InvalidSpec, KernelError, Unsupported
from ..values import Value

# Takes a value back to that of the group above: what a new group begins with.
INHERIT = "\0inherit"
# Nothing takes it back: what it was before is not known.
KEPT = "\0kept"


class Write(Value):
    """`option` is the name below `linux.resources` (OCI runtime-spec, config-linux.md), "memory.limit".

    `tries` are (file, value, the value that lifts it); the first file that this kernel has is written. With `needed` a
    kernel that has none of them can't hold the option. `of` tells several values in one file apart, such as a device.
    """

    option: str
    tries: tuple[tuple[str, str, str], ...]
    of: str = ""
    needed: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """Two writes with one key set the same thing."""
        return self.tries[0][0], self.of

    def lifting(self) -> Write:
        """The write that takes this one back."""
        return self.replace(tries=tuple((file, lift, lift) for file, _value, lift in self.tries), needed=False)


def one(option: str, file: str, value: object, lift: str, *, of: str = "", needed: bool = True) -> Write:
    """A write that has one file for it."""
    return Write(option=option, tries=((file, str(value), lift),), of=of, needed=needed)


def changes(before: tuple[Write, ...], after: tuple[Write, ...]) -> tuple[Write, ...]:
    """What leads from one to the other: what is no longer said is lifted first, then all that is said is written."""
    kept = {write.key for write in after}
    gone = {item.key: item.lifting() for item in before if item.key not in kept and item.tries[0][2] != KEPT}
    return (*gone.values(), *after)


def perform(home: str, write: Write) -> None:
    """Write it below the group's directory `home`.

    Unsupported when this kernel has no such file, InvalidSpec when it does not take the value, Conflict when the group
    uses too much for it.
    """
    for file, value, _lift in write.tries:
        try:
            text = _inherited(home, file) if value == INHERIT else value
            return put(f"{home}/{file}", text)
        except FileNotFoundError:
            continue
        except KernelError as error:
            raise _sentence(write, file, value, error) from error
    if write.needed:
        raise Unsupported(
            f"{write.option}: this kernel has no {write.tries[0][0]} in the cgroup controller: leave {write.option} out"
        )
    return None


def put(path: str, value: str) -> None:
    """write(2) each line of `value` by itself, as files with an entry per device want it. FileNotFoundError, KernelError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        for line in value.split("\n"):
            # An empty value is one too, and a write of nothing does not reach the kernel.
            os.write(descriptor, (line or "\n").encode())
    except OSError as error:
        raise KernelError("write", f"{value} to {path}", error.errno or 0) from error
    finally:
        os.close(descriptor)


def _inherited(home: str, file: str) -> str:
    with open(f"{os.path.dirname(home)}/{file}", encoding="utf-8") as above:
        return above.read().strip()


def _sentence(write: Write, file: str, value: str, error: KernelError) -> Exception:
    if error.errno == errno.EBUSY:
        return Conflict(
            f"{write.option}: the container uses more than {value} allows ({file}): give more, or end what uses it"
        )
    if error.errno in (errno.EINVAL, errno.ERANGE, errno.ENODEV, errno.ENXIO, errno.ENOSPC):
        why = os.strerror(error.errno)
        return InvalidSpec(f"{write.option}: the kernel does not take {value!a} in {file} here: {why}")
    if error.errno in (errno.EOPNOTSUPP, errno.ENOTSUP):
        return Unsupported(f"{write.option}: this kernel no longer has {file}: leave {write.option} out")
    return error
