# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sentence the engine says when it can't do what was asked; one class per kind, one exit code per class.

EngineError             anything the user can be told in a sentence
  InvalidSpec           what was asked for makes no sense
  NotFound              it names something that is not there
  Conflict              it stands against something that is there
  Busy                  another command holds the thing
  NotPermitted          it wants rights that this process lacks
  Unsupported           the kernel can't
  MissingDependency     a program or package is not on this host
  Refused               hostile or broken input, nothing was touched
  Unreachable           a registry does not answer, or not as it should
  Damaged               the engine's own state is not what it wrote
  StorageFull           no space, no inodes
  KernelError           a system call said no
  CommandNotFound       the container's command is not in its root
  CommandNotExecutable  it is there and can't be executed
"""

from __future__ import annotations

import errno
import os


class EngineError(Exception):
    """The message is one lower-case sentence without a full stop that names the thing and the way out."""

    exit_code = 125


class InvalidSpec(EngineError):
    exit_code = 64


class NotFound(EngineError):
    exit_code = 66


class Conflict(EngineError):
    exit_code = 73


class Busy(EngineError):
    exit_code = 75


class NotPermitted(EngineError):
    exit_code = 77


class Unsupported(EngineError):
    exit_code = 69


class MissingDependency(EngineError):
    exit_code = 72


class Refused(EngineError):
    exit_code = 65


class Unreachable(EngineError):
    exit_code = 68


class Damaged(EngineError):
    exit_code = 76


class StorageFull(EngineError):
    exit_code = 74


class KernelError(EngineError):
    """A system call's own name, what it was called on, and the kernel's word for why."""

    exit_code = 71

    def __init__(self, call: str, subject: str, number: int) -> None:
        self.call, self.subject, self.errno = call, subject, number
        super().__init__(f"{f'{call} {subject}'.rstrip()}: {os.strerror(number)}")


class CommandNotExecutable(EngineError):
    exit_code = 126


class CommandNotFound(EngineError):
    exit_code = 127


FULL = (errno.ENOSPC, errno.EDQUOT)


def from_os(error: OSError, what: str) -> EngineError:
    """The sentence for an OSError met while doing `what` (for example "write layer /x")."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return StorageFull(f"{what}: {reason}: free some space, or move the state with the option root")
    return EngineError(f"{what}: {reason}")


def named(kind: str, message: str) -> EngineError:
    """The error that another process of the engine met, from the name of its class and its sentence."""
    found = globals().get(kind)
    if isinstance(found, type) and issubclass(found, EngineError) and found is not KernelError:
        return found(message)
    return EngineError(message)
