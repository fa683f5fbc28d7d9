# SPDX-License-Identifier: GPL-3.0-or-later
"""What names may say: decided before anything is written."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.census import Census, canonical
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.entries import (
    CHARACTER,
    DIRECTORY,
    FILE,
    HARDLINK,
    OPAQUE,
    SYMLINK,
    WHITEOUT,
    Entry,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.limits import Limits


@pytest.mark.parametrize(
    ("name", "path"),
    [(b"a", b"a"), (b"./a//b/./c/", b"a/b/c"), (b".", b""), (b"./", b""), (b"", b""), (b"..a/b..", b"..a/b..")],
)
def test_one_path_has_one_spelling(name: bytes, path: bytes) -> None:
    assert canonical(name) == path


@pytest.mark.parametrize(
    "name", [b"/", b"/etc/passwd", b"//x", b"..", b"a/../b", b"./..", b"a/..", b"x" * 256, b"a/" * 257, b"y/" * 2500]
)
def test_a_path_that_leads_out_or_is_endless_is_refused(name: bytes) -> None:
    with pytest.raises(Refused):
        canonical(name)


def admit(*entries: Entry, limits: Limits | None = None) -> list[bool]:
    census = Census(limits or Limits())
    return [census.admit(entry) for entry in entries]


HOSTILE = {
    "through a symlink": [Entry(b"l", SYMLINK, link=b"/etc"), Entry(b"l/passwd", FILE)],
    "through a symlink further up": [Entry(b"d/l", SYMLINK, link=b".."), Entry(b"d/l/x/y", FILE)],
    "through a file": [Entry(b"f", FILE), Entry(b"f/x", FILE)],
    "through a hard link to a symlink": [
        Entry(b"l", SYMLINK, link=b"/"),
        Entry(b"h", HARDLINK, link=b"l"),
        Entry(b"h/x", FILE),
    ],
    "directory becomes a symlink": [Entry(b"d", DIRECTORY), Entry(b"d", SYMLINK, link=b"/")],
    "symlink becomes a directory": [Entry(b"d", SYMLINK, link=b"/"), Entry(b"d", DIRECTORY)],
    "the root is a symlink": [Entry(b".", SYMLINK, link=b"/")],
    "the root is a file": [Entry(b"", FILE)],
    "hard link out": [Entry(b"h", HARDLINK, link=b"../../etc/shadow")],
    "hard link absolute": [Entry(b"h", HARDLINK, link=b"/etc/shadow")],
    "hard link to nothing": [Entry(b"h", HARDLINK, link=b"later"), Entry(b"later", FILE)],
    "hard link to a directory": [Entry(b"d", DIRECTORY), Entry(b"h", HARDLINK, link=b"d")],
    "hard link to itself": [Entry(b"h", FILE), Entry(b"h", HARDLINK, link=b"h")],
    "whiteout of nothing": [Entry(b".wh.", FILE)],
    "whiteout of .": [Entry(b"a/.wh..", FILE)],
    "whiteout of ..": [Entry(b"a/.wh...", FILE)],
    "below a whiteout": [Entry(b".wh.a/b", FILE)],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_are_refused(entries: list[Entry]) -> None:
    with pytest.raises(Refused):
        admit(*entries)


def test_whiteouts_become_what_they_mean() -> None:
    gone, opaque, ours = Entry(b"a/.wh.gone", FILE), Entry(b"a/.wh..wh..opq", FILE), Entry(b".wh..wh.plnk", FILE)
    assert admit(gone, opaque, ours) == [True, True, False]
    assert (gone.kind, gone.path) == (WHITEOUT, b"a/gone")
    assert (opaque.kind, opaque.path) == (OPAQUE, b"a")


def test_an_overlay_whiteout_in_disguise_is_dropped_and_other_devices_are_not() -> None:
    assert admit(Entry(b"n", CHARACTER), Entry(b"null", CHARACTER, rdev=(1, 3))) == [False, True]


def test_files_may_be_given_twice_and_links_may_follow_their_file() -> None:
    assert admit(Entry(b"f", FILE), Entry(b"./f", FILE), Entry(b"h", HARDLINK, link=b"./f")) == [True, True, True]


def test_too_many_members_are_refused() -> None:
    with pytest.raises(Refused, match="max_entries"):
        admit(*(Entry(b"f%d" % n, FILE) for n in range(4)), limits=Limits(entries=3))
