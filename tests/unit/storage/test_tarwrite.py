# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar writer: our reader gives back what went in, other readers agree, and equal entries are equal bytes."""

from __future__ import annotations

import io
import tarfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.storage.entries import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    OPAQUE,
    SYMLINK,
    WHITEOUT,
    Entry,
    pieces_of,
)
from ansible_collections.berth.containers.tests.unit.storage.tars import read, write

NAMES = st.lists(
    st.binary(min_size=1, max_size=120).filter(lambda n: not {0, 47}.intersection(n)), min_size=1, max_size=4
)
PATHS = NAMES.map(b"/".join)
XATTRS = st.dictionaries(
    st.binary(min_size=1, max_size=20).filter(lambda k: not {0, 61}.intersection(k)), st.binary(min_size=1, max_size=99)
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from([FILE, DIRECTORY, SYMLINK, HARDLINK, CHARACTER, BLOCK, FIFO]))
    entry = Entry(
        draw(PATHS),
        kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(st.integers(0, (1 << 31) - 1)),
        gid=draw(st.integers(0, (1 << 31) - 1)),
        mtime=draw(st.integers(-(10**18), 10**19)),
        xattrs={b"user." + key: value for key, value in draw(XATTRS).items() if not key.startswith(b"overlay.")},
    )
    if kind == FILE:
        data = draw(st.binary(max_size=2000))
        entry.size, entry.content = len(data), pieces_of(data)
    elif kind in (SYMLINK, HARDLINK):
        entry.link = draw(PATHS)
    elif kind in (CHARACTER, BLOCK):
        entry.rdev = (draw(st.integers(0, 4095)), draw(st.integers(0, (1 << 20) - 1)))
    return entry


def facts(entry: Entry) -> tuple[Any, ...]:
    names = ("path", "kind", "mode", "uid", "gid", "mtime", "size", "link", "rdev", "xattrs", "extents")
    return tuple(getattr(entry, name) for name in names)


@settings(max_examples=100, deadline=None)
@given(st.lists(entries(), max_size=4), st.sampled_from([1, 511, 1 << 20]))
def test_reading_is_the_inverse_of_writing(given_entries: list[Entry], block: int) -> None:
    expected = [
        (facts(entry), b"".join(bytes(piece) for _unused, piece in list(entry.content))) for entry in given_entries
    ]
    for entry, (_unused, data) in zip(given_entries, expected, strict=True):
        entry.content = pieces_of(data)
    found = [(facts(entry), data) for entry, data in read(write(given_entries), max(block, 1))]
    assert [(f[0].rstrip(b"/") if f[1] == DIRECTORY else f[0], *f[1:], d) for f, d in found] == [
        (*f, d) for f, d in expected
    ]


def test_other_readers_agree() -> None:
    xattrs = {b"user.k": b"v"}
    names = [b"plain", b"u" * 150, "ümlaut".encode(), b"not\xffutf8"]
    data = write(
        [Entry(name, FILE, mtime=7 * 10**9 + 5, size=3, content=pieces_of(b"abc"), xattrs=xattrs) for name in names]
    )
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        members = tar.getmembers()
        assert [item.name.encode("utf-8", "surrogateescape") for item in members] == names
        assert all(item.pax_headers["SCHILY.xattr.user.k"] == "v" and item.mtime == 7.000000005 for item in members)
        assert all((tar.extractfile(item) or io.BytesIO()).read() == b"abc" for item in members)


def test_a_file_with_holes_is_short_in_the_tar_and_whole_for_others() -> None:
    extents = ((4096, 4096), (1 << 24, 4096))
    entry = Entry(b"holes", FILE, size=1 << 25, extents=extents, content=[(4096, b"a" * 4096), (1 << 24, b"b" * 4096)])
    data = write([entry])
    assert len(data) < 20_000
    found, content = next(read(data))
    assert (found.size, found.extents) == (1 << 25, extents)
    assert (content[4096], content[1 << 24], content[0], content[-1]) == (97, 98, 0, 0)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.getmembers()[0]
        assert (member.name, member.size) == ("holes", 1 << 25)
        extracted = tar.extractfile(member)
        assert extracted is not None
        assert extracted.read() == content


def test_a_file_that_is_one_hole() -> None:
    found, content = next(read(write([Entry(b"hole", FILE, size=1 << 20, extents=())])))
    assert (found.size, found.extents, content) == (1 << 20, (), bytes(1 << 20))


def test_whiteouts_are_spelled_as_oci_spells_them() -> None:
    data = write([Entry(b"gone", WHITEOUT), Entry(b"d", DIRECTORY), Entry(b"d", OPAQUE), Entry(b"d/gone", WHITEOUT)])
    assert [entry.path for entry, _unused in read(data)] == [b".wh.gone", b"d/", b"d/.wh..wh..opq", b"d/.wh.gone"]


def test_plain_entries_need_no_pax_header() -> None:
    assert len(write([Entry(b"a" * 100, FILE, uid=65535, mtime=10**9)])) == 512 + 1024
