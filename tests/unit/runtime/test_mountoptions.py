# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a mount, each alone and all together, and that nothing that is none gets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import mounts
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import mountoptions
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.mountoptions import Options, parse, read

# Every word of the table "Linux mount options" in runtime-spec 1.2's config.md.
TABLE = """
async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec noiversion
nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec
rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave
rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap
"""
SPECIFIED = TABLE.split()


@pytest.mark.parametrize("word", SPECIFIED)
def test_every_word_of_the_specification_is_known(word: str) -> None:
    """None but those of the whole file system is passed on as if it were the file system's own."""
    assert [name for name, _value in parse([word]).data] == (
        [word] if word in ("sync", "dirsync", "mand", "lazytime") else []
    )


def test_pairs() -> None:
    assert parse(["ro"]) == Options(set=mounts.ATTR_RDONLY)
    assert parse(["ro", "rw"]) == Options(clear=mounts.ATTR_RDONLY)
    assert parse(["rw", "ro"]) == Options(set=mounts.ATTR_RDONLY)
    assert parse(["noatime"]) == Options(set=mounts.ATTR_NOATIME, clear=mounts.ATTR_ATIME)
    assert parse(["noatime", "strictatime"]) == Options(set=mounts.ATTR_STRICTATIME, clear=mounts.ATTR_ATIME)
    assert parse(["noatime", "relatime"]) == Options(clear=mounts.ATTR_ATIME)
    assert parse(["rro", "nodev"]) == Options(set=mounts.ATTR_NODEV, deep_set=mounts.ATTR_RDONLY)
    assert parse(["size=1m", "mode=755", "size=2m", "inode64"]).data == (
        ("size", "2m"),
        ("mode", "755"),
        ("inode64", ""),
    )
    assert parse(["sync", "async", "lazytime"]).data == (("lazytime", ""),)
    assert parse(['context="a:b,c"', "upperdir=a=b"]).data == (("context", '"a:b,c"'), ("upperdir", "a=b"))
    assert parse(["rslave", "shared"]).propagation == (mounts.MS_SLAVE | mounts.MS_REC, mounts.MS_SHARED)
    assert parse(["idmap", "ridmap"]).idmap == "ridmap"
    assert parse(["rbind"]) == Options(bind=True, recursive=True)
    assert parse([]) == Options()


@pytest.mark.parametrize("option", [1, None, ["ro"], "a\0b"])
def test_what_is_no_option(option: Any) -> None:
    with pytest.raises(InvalidSpec):
        parse([option])


@given(st.lists(st.sampled_from(SPECIFIED)))
def test_the_kernel_takes_what_comes_out(words: list[str]) -> None:
    """mount_setattr(2): nothing is both set and cleared, and the field of access times is cleared as a whole or not at all."""
    options = parse(words)
    for adds, clears in ((options.set, options.clear), (options.deep_set, options.deep_clear)):
        assert not adds & clears & ~mounts.ATTR_ATIME
        assert clears & mounts.ATTR_ATIME in (0, mounts.ATTR_ATIME)
        assert adds & mounts.ATTR_ATIME == 0 or clears & mounts.ATTR_ATIME == mounts.ATTR_ATIME
    last = [word for word in words if word in ("ro", "rw")]
    assert bool(options.set & mounts.ATTR_RDONLY) == (last[-1:] == ["ro"])


@pytest.mark.parametrize(
    ("destination", "target"),
    [
        ("/a/b", "/a/b"),
        ("a/b", "/a/b"),
        ("//a", "/a"),
        ("/a/../b/.", "/b"),
        ("/../../a", "/a"),
        ("/a/", "/a"),
        ("./dev", "/dev"),
    ],
)
def test_targets(destination: str, target: str) -> None:
    (mount,) = read([{"destination": destination, "type": "tmpfs"}])
    assert (mount.target, mount.source, mount.devices) == (target, "tmpfs", target == "/dev")


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"destination": ""}, {"destination": "/", "type": "tmpfs"}, {"destination": "/a/..", "type": "tmpfs"},
        {"destination": "/a\0b", "type": "tmpfs"}, {"destination": 5, "type": "tmpfs"}, {"destination": "/a"},
        {"destination": "/a", "options": ["bind"]}, {"destination": "/a", "type": "bind", "source": ""},
    ],
)  # fmt: skip
def test_entries_that_make_no_sense(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match="mounts: "):
        read([entry])


def test_propagation_of_the_root() -> None:
    assert mountoptions.propagation_of("") == 0
    assert mountoptions.propagation_of("rslave") == mounts.MS_SLAVE | mounts.MS_REC
    assert mountoptions.propagation_of("unbindable") == mounts.MS_UNBINDABLE
    with pytest.raises(InvalidSpec, match="rootfsPropagation"):
        mountoptions.propagation_of("bind")
