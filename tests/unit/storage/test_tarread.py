# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar reader against archives of GNU tar, and against archives that nobody honest wrote."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.entries import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
)
from ansible_collections.berth.containers.tests.unit.storage.tars import END, extended, header, member, padded, read

LONG = b"d" * 90 + b"/" + b"e" * 90 + b"/" + b"f" * 90


def gnu_tar(directory: pathlib.Path, *options: str) -> bytes:
    return subprocess.run(
        ["tar", "-C", str(directory), "-cf", "-", *options, "."], check=True, capture_output=True
    ).stdout


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "tree"
    (root / "dir").mkdir(parents=True)
    (root / "dir/file").write_bytes(b"hello" * 300)
    os.utime(root / "dir/file", ns=(1, 1_600_000_000_123_456_789))
    os.link(root / "dir/file", root / "other")
    (root / "link").symlink_to("dir/file")
    deep = root / os.fsdecode(LONG)
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"deep")
    (root / "longlink").symlink_to("x" * 200)
    (root / os.fsdecode(b"n\xff\xfe")).write_bytes(b"odd")
    with open(root / "holes", "wb") as file:
        for at in (0, 1 << 20, 3 << 20, 5 << 20, 7 << 20, 9 << 20):
            file.seek(at)
            file.write(b"data" * 1024)
        file.truncate(20 << 20)
    return root


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=posix"],
        ["--format=gnu", "--sparse"],
        ["--format=posix", "--sparse"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"],
        ["--format=posix", "--sparse", "--sparse-version=0.1"],
    ],
)
@pytest.mark.parametrize("block", [1 << 20, 700])
def test_what_gnu_tar_writes_is_read(tree: pathlib.Path, options: list[str], block: int) -> None:
    found = {
        entry.path.removeprefix(b"./").rstrip(b"/"): (entry, data)
        for entry, data in read(gnu_tar(tree, *options), block)
    }
    assert {name for name, (entry, _unused) in found.items() if entry.kind == DIRECTORY} >= {b"", b"dir", b"d" * 90}
    links = [name for name in (b"dir/file", b"other") if found[name][0].kind == HARDLINK]
    assert len(links) == 1
    first = ({b"dir/file", b"other"} - set(links)).pop()
    assert found[first][1] == b"hello" * 300
    assert found[links[0]][0].link == b"./" + first
    assert found[first][0].mtime == 1_600_000_000_123_456_789 // (1 if "--format=posix" in options else 10**9) * (
        1 if "--format=posix" in options else 10**9
    )
    assert (found[b"link"][0].kind, found[b"link"][0].link) == (SYMLINK, b"dir/file")
    assert found[b"longlink"][0].link == b"x" * 200
    assert found[LONG][1] == b"deep"
    assert found[b"n\xff\xfe"][1] == b"odd"
    holes, data = found[b"holes"]
    assert data == (tree / "holes").read_bytes()
    assert (holes.extents is not None) == ("--sparse" in options)
    if holes.extents is not None:
        assert holes.stored < 1 << 20


def test_numbers_beyond_octal_are_base_256() -> None:
    data = member(b"a", uid=b"\x80\0\0\0\0\x30\0\0", mtime=b"\xff" * 11 + b"\xfe") + END
    entry = next(read(data))[0]
    assert (entry.uid, entry.mtime) == (0x300000, -2 * 10**9)


def test_pax_records_win_over_the_header() -> None:
    data = (
        extended((b"path", b"real"), (b"uid", b"70000"), (b"mtime", b"5.25"), (b"SCHILY.xattr.user.a", b"b\0c"))
        + member(b"no", b"x")
        + END
    )
    entry, content = next(read(data))
    assert (entry.path, entry.uid, entry.mtime, entry.xattrs, content) == (
        b"real",
        70000,
        5_250_000_000,
        {b"user.a": b"b\0c"},
        b"x",
    )


def test_attributes_that_steer_overlayfs_or_label_a_host_are_dropped() -> None:
    names = (
        b"trusted.overlay.opaque",
        b"user.overlay.redirect",
        b"security.selinux",
        b"security.capability",
        b"user.x",
    )
    data = extended(*((b"SCHILY.xattr." + name, b"y") for name in names)) + member(b"d/", kind=b"5") + END
    assert set(next(read(data))[0].xattrs) == {b"security.capability", b"user.x"}


def test_a_global_header_may_comment_and_date() -> None:
    data = extended((b"comment", b"0123"), (b"mtime", b"9"), kind=b"g") + member(b"a") + member(b"b") + END
    assert [entry.mtime for entry, _unused in read(data)] == [9 * 10**9] * 2


BIG_MAP = b"GNU.sparse.map"
REFUSED = {
    "empty": b"",
    "text": b"this is not a tar\n" * 100,
    "zip": b"PK\x03\x04" + bytes(2000),
    "header cut": member(b"a", b"x")[:700],
    "no end mark": member(b"a", b"x"),
    "half an end mark": member(b"a", b"x") + bytes(512),
    "data cut": member(b"a", b"x" * 5000)[:3000],
    "checksum": member(b"a").replace(b"a", b"b", 1) + END,
    "second header": member(b"a") + b"garbage!" * 64 + END,
    "more after the end": member(b"a") + END + member(b"b") + END,
    "octal with sign": member(b"a", uid=b"+000001") + END,
    "octal with underscore": member(b"a", uid=b"00_0001") + END,
    "octal with 8": member(b"a", uid=b"0000008") + END,
    "negative size": member(b"a", size=b"\xff" * 12) + END,
    "base 256 beyond 62 bits": member(b"a", size=b"\x80" + b"\x7f" * 11) + END,
    "owner -1": member(b"a", uid=b"\x80\0\0\0\xff\xff\xff\xff") + END,
    "NUL in a PAX path": extended((b"path", b"a\0b")) + member(b"a") + END,
    "two sizes": extended((b"size", b"0")) + member(b"a", b"x" * 600) + END,
    "size hidden from the header": extended((b"size", b"1024")) + header(b"a") + member(b"b", b"x") + END,
    "two names": member(b"L", b"one\0", b"L") + extended((b"path", b"two")) + member(b"a") + END,
    "two targets": member(b"K", b"one\0", b"K")
    + extended((b"linkpath", b"two"))
    + member(b"a", kind=b"2", link=b"x")
    + END,
    "global path": extended((b"path", b"x"), kind=b"g") + member(b"a") + END,
    "global size": extended((b"size", b"5"), kind=b"g") + member(b"a") + END,
    "PAX record longer than its header": member(b"x", b"99 path=a\n", b"x") + member(b"a") + END,
    "PAX record of length 0": member(b"x", b"0 path=a\n", b"x") + member(b"a") + END,
    "PAX record without =": member(b"x", b"9 path a\n", b"x") + member(b"a") + END,
    "PAX record length with sign": member(b"x", b"+9 path=a\n", b"x") + member(b"a") + END,
    "PAX header of 2 MiB": extended((b"comment", b"x" * (2 << 20))) + member(b"a") + END,
    "PAX header that claims 1 GiB": header(b"x", b"x", size=1 << 30) + bytes(4096),
    "PAX header without a member": extended((b"path", b"a")) + END,
    "PAX uid in Arabic digits": extended((b"uid", "\u0661".encode())) + member(b"a") + END,
    "directory with data": member(b"a/", b"x", b"5") + END,
    "link with data": member(b"a", b"x", b"1", link=b"b") + END,
    "symlink to nowhere": member(b"a", kind=b"2") + END,
    "multi-volume": member(b"a", kind=b"M") + END,
    "sparse map overlaps": extended(
        (b"GNU.sparse.size", b"100"), (b"GNU.sparse.numblocks", b"2"), (BIG_MAP, b"0,4,2,4")
    )
    + member(b"a", b"12345678")
    + END,
    "sparse map beyond the end": extended(
        (b"GNU.sparse.size", b"6"), (b"GNU.sparse.numblocks", b"1"), (BIG_MAP, b"0,8")
    )
    + member(b"a", b"12345678")
    + END,
    "sparse map of other length": extended(
        (b"GNU.sparse.size", b"9"), (b"GNU.sparse.numblocks", b"7"), (BIG_MAP, b"0,8")
    )
    + member(b"a", b"12345678")
    + END,
    "sparse data of other length": extended(
        (b"GNU.sparse.size", b"99"), (b"GNU.sparse.numblocks", b"1"), (BIG_MAP, b"0,4")
    )
    + member(b"a", b"12345678")
    + END,
    "sparse 1.0 map longer than data": extended(
        (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")
    )
    + member(b"a", padded(b"900000\n" + b"1\n" * 200))
    + END,
    "sparse file of 2^60": extended(
        (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % (1 << 60))
    )
    + member(b"a", padded(b"0\n"))
    + END,
    "sparse 2.0": extended((b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0")) + member(b"a", b"x") + END,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_cut_broken_or_ambiguous_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        list(read(data))
    assert "\n" not in str(caught.value)


VALID = (
    extended((b"path", b"some/name"), (b"mtime", b"1.5"))
    + member(b"x", b"data" * 200)
    + member(b"dir/", kind=b"5")
    + member(b"dir/l", kind=b"2", link=b"x")
    + member(b"y", kind=b"1", link=b"x")
    + extended((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9000"))
    + member(b"s", padded(b"1\n4096\n8\n") + b"12345678")
    + END
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(VALID)))
def test_no_damage_makes_it_do_anything_but_read_or_refuse(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(VALID)
    for at, value in changes:
        data[at] = value
    try:
        entries = list(read(bytes(data[:cut] if cut % 2 else data)))
    except Refused:
        return
    assert all(entry.kind != FILE or len(content) == entry.size for entry, content in entries)
