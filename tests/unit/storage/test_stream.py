# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as streams: decompressed, cut ones noticed, bombs stopped."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import pathlib
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, NotFound, Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.limits import Limits
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.stream import (
    Stream,
    open_archive,
    unpacked_blocks,
)

DATA = os.urandom(100_000) + b"text " * 700_000


def unpack(path: pathlib.Path, limits: Limits | None = None) -> bytes:
    with open_archive(str(path)) as descriptor:
        return b"".join(unpacked_blocks(descriptor, limits or Limits(), "x"))


@pytest.mark.parametrize(
    "packed",
    [
        DATA,
        gzip.compress(DATA),
        lzma.compress(DATA),
        gzip.compress(DATA[:9000]) + gzip.compress(DATA[9000:]),
        gzip.compress(DATA) + bytes(512),
        lzma.compress(DATA[:9000]) + lzma.compress(DATA[9000:]),
        gzip.compress(bytes(3 << 20)),
    ],
    ids=["raw", "gzip", "xz", "two gzip members", "padded gzip", "two xz streams", "gzip of whole blocks"],
)
def test_all_of_it_comes_out(tmp_path: pathlib.Path, packed: bytes) -> None:
    (tmp_path / "x").write_bytes(packed)
    assert unpack(tmp_path / "x") in (DATA, bytes(3 << 20))


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(DATA)[:-4],
        gzip.compress(DATA)[:50_000],
        lzma.compress(DATA)[:-10],
        gzip.compress(DATA) + b"tail",
        bz2.compress(DATA),
        gzip.compress(DATA)[:500] + b"XXXX" + gzip.compress(DATA)[504:],
        b"\x28\xb5\x2f\xfd" + DATA[:100],
        b"\x1f\x8b",
        lzma.compress(DATA) + b"tail",
    ],
    ids=[
        "gzip without its sum",
        "gzip cut",
        "xz cut",
        "gzip with a tail",
        "bzip2",
        "gzip damaged",
        "zstd",
        "gzip magic",
        "xz with a tail",
    ],
)
def test_damage_is_refused(tmp_path: pathlib.Path, packed: bytes) -> None:
    (tmp_path / "x").write_bytes(packed)
    with pytest.raises(Refused):
        unpack(tmp_path / "x")


def test_a_bomb_is_stopped_before_it_is_big(tmp_path: pathlib.Path) -> None:
    bomb = lzma.compress(bytes(1 << 20)) * 4000
    (tmp_path / "x").write_bytes(bomb)
    start = time.monotonic()
    with pytest.raises(Refused, match="max_unpacked_size"):
        unpack(tmp_path / "x", Limits(unpacked=8 << 20))
    with pytest.raises(Refused, match="max_unpacked_size"):
        unpack(tmp_path / "x", Limits(ratio=10))
    assert time.monotonic() - start < 5


def test_only_regular_files_are_archives(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, error in (
        (tmp_path / "fifo", InvalidSpec),
        (tmp_path / "none", NotFound),
        (pathlib.Path("/dev/zero"), InvalidSpec),
    ):
        with pytest.raises(error):
            unpack(path)


def test_exact_reads_do_not_depend_on_the_blocks() -> None:
    seen: list[bytes] = []
    stream = Stream(iter([b"ab", b"", b"cdef", b"g"]), seen.append)
    assert [stream.take(3), bytes(stream.piece(2)), stream.take(9), stream.take(1)] == [b"abc", b"de", b"fg", b""]
    assert b"".join(seen) == b"abcdefg"
