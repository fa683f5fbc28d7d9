# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON records that are there whole or not at all, and that say which format they are in."""

from __future__ import annotations

import os

from . import jsontext
from .errors import Damaged, NotFound, from_os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
_SEAL = b'{"#":"'
_PRIME = (1 << 30) - 35


def write_record(path: str, fields: dict[str, Any], *, durable: bool = True) -> None:
    """Replace `path` by a record of `fields`: temporary file, fsync, rename, fsync of the directory. Atomic.

    With `durable` False the two fsyncs are left out: for records that a reboot may take.
    """
    write_file(path, _text(fields), durable=durable)


def write_first(path: str, fields: dict[str, Any]) -> None:
    """A record in a directory that nobody knows yet: written and synced in place, one commit of the journal instead of three."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(_text(fields))
        file.flush()
        os.fsync(file.fileno())


def read_record(path: str) -> dict[str, Any]:
    """The fields that `write_record` was given. NotFound, or Damaged when it is no record of a format we know."""
    try:
        with open(path, "rb") as file:
            fields = jsontext.loads(_opened(file.read()))
    except FileNotFoundError:
        raise NotFound(f"no record at {path}") from None
    except (ValueError, RecursionError):
        raise Damaged(f"{path} is not a record: remove the object it belongs to and make it again") from None
    if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
        raise Damaged(f"{path} has a format this engine does not know: use the engine that wrote it")
    return fields


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """write(2) until everything is written: for blocking descriptors."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_file(path: str, data: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace `path` by `data`, atomically. StorageFull or EngineError; the old file stays then."""
    scratch = f"{path}.{os.getpid()}.tmp"
    try:
        try:
            with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
                if mode & 0o077:
                    os.fchmod(file.fileno(), mode)  # whatever the caller's umask is
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.rename(scratch, path)
        except BaseException:
            _forget(scratch)
            raise
        if durable:
            sync_directory(os.path.dirname(path))
    except OSError as error:
        raise from_os(error, f"write {path}") from error


def sync_directory(path: str) -> None:
    """fsync(2) of a directory: makes the renames in it last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(data: bytes) -> str:
    """Eight hexadecimal digits that a turned bit changes for certain, and any other damage but once in a thousand million."""
    return f"{int.from_bytes(data, 'big') % _PRIME:08x}"


def _text(fields: dict[str, Any]) -> bytes:
    body = jsontext.dumps({"format": FORMAT, **fields}).encode()
    return b'%s%s",%s\n' % (_SEAL, seal(body).encode(), body[1:])


def _opened(data: bytes) -> bytes:
    """The record without its seal. ValueError when it is broken; a record of before there were seals has none."""
    if not data.startswith(_SEAL):
        # Only the seal comes first, has a name of one character and a value of eight.
        if data[3:6] == b'":"' and data[14:16] == b'",':
            raise ValueError("broken seal")
        return data
    body = b"{" + data[len(_SEAL) + 10 :].rstrip(b"\n")
    if data[len(_SEAL) : len(_SEAL) + 10] != b'%s",' % seal(body).encode():
        raise ValueError("broken seal")
    return body


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
