# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad config.json is one clear sentence with the path of what is wrong; an unknown property is none."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    EngineError,
    InvalidSpec,
    NotFound,
    Unsupported,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.oci import config


def minimal(**changes: Any) -> dict[str, Any]:
    process = {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}}
    return {"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "process": process, **changes}


def parse(tmp_path: pathlib.Path, oci: Any) -> config.Config:
    (tmp_path / "rootfs").mkdir(exist_ok=True)
    (tmp_path / "config.json").write_text(oci if isinstance(oci, str) else json.dumps(oci))
    return config.load(str(tmp_path))


def with_process(**changes: Any) -> dict[str, Any]:
    oci = minimal()
    oci["process"] |= changes
    return oci


def test_minimal(tmp_path: pathlib.Path) -> None:
    found = parse(tmp_path, minimal())
    assert (found.bundle, found.rootfs) == (str(tmp_path), f"{tmp_path}/rootfs")
    assert (found.linux, found.oci["mounts"], found.hooks("poststop")) == ({}, [], [])


def test_what_is_unknown_or_null_is_let_be(tmp_path: pathlib.Path) -> None:
    oci = minimal(hooks=None, annotations=None, windows={"odd": 1}, linux={"namespaces": None, "new": []})
    assert parse(tmp_path, oci).linux["namespaces"] is None


def test_without_a_process(tmp_path: pathlib.Path) -> None:
    oci = minimal()
    del oci["process"]
    assert parse(tmp_path, oci).process is None


@pytest.mark.parametrize(
    ("oci", "kind", "words"),
    [
        ("{", InvalidSpec, "config.json is no JSON text"),
        (minimal(linux={"memoryPolicy": {}}), InvalidSpec, r"linux\.memoryPolicy has no mode"),
        (minimal(linux={"memoryPolicy": {"mode": "BIND"}}), InvalidSpec, r"linux\.memoryPolicy\.mode: 'BIND' is none"),
        (
            minimal(linux={"memoryPolicy": {"mode": "MPOL_BIND", "flags": ["STATIC"]}}),
            InvalidSpec,
            r"linux\.memoryPolicy\.flags: 'STATIC' is none",
        ),
        (
            minimal(linux={"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "first"}}),
            InvalidSpec,
            r"linux\.memoryPolicy\.nodes: 'first' is no list of memory nodes",
        ),
        ("[]", InvalidSpec, "config.json is no object"),
        ({}, InvalidSpec, "config.json has no ociVersion"),
        (minimal(ociVersion="1"), InvalidSpec, "ociVersion: '1' is no version"),
        (minimal(ociVersion="2.0.0"), Unsupported, "ociVersion: '2.0.0'"),
        (minimal(root=None), InvalidSpec, "config.json has no root"),
        (minimal(root={"path": "gone"}), InvalidSpec, "root.path: gone is no directory"),
        (minimal(root={"path": "rootfs", "readonly": "yes"}), InvalidSpec, "root.readonly: 'yes' is not true or false"),
        (with_process(args=[]), InvalidSpec, "process.args is empty"),
        (with_process(args=["a", 1]), InvalidSpec, r"process.args\[1\]: 1 is not text"),
        (with_process(args=["a\0b"]), InvalidSpec, r"process.args\[0\] holds a zero byte"),
        (with_process(cwd="here"), InvalidSpec, "process.cwd: here is not absolute"),
        (with_process(user={"uid": -1, "gid": 0}), InvalidSpec, "process.user.uid: -1 is not between 0 and 4294967295"),
        (with_process(user={"uid": True, "gid": 0}), InvalidSpec, "process.user.uid: True is no whole number"),
        (with_process(user={"uid": 1.5, "gid": 0}), InvalidSpec, "process.user.uid: 1.5 is no whole number"),
        (with_process(rlimits=[{"type": "RLIMIT_X", "hard": 1, "soft": 1}]), InvalidSpec, "RLIMIT_X"),
        (with_process(rlimits=[{"type": "RLIMIT_CORE", "hard": 1, "soft": 1}] * 2), InvalidSpec, "given twice"),
        (minimal(mounts=[{"type": "tmpfs"}]), InvalidSpec, r"mounts\[0\] has no destination"),
        (minimal(mounts=[{"destination": "/x", "options": ["rbind"]}]), InvalidSpec, "/x is a bind mount without a"),
        (minimal(mounts=[{"destination": "/x", "options": "ro"}]), InvalidSpec, r"mounts\[0\].options is no list"),
        (minimal(linux={"intelRdt": {"closID": "x"}}), Unsupported, "linux.intelRdt"),
        (minimal(linux={"rootfsPropagation": "odd"}), InvalidSpec, "linux.rootfsPropagation: 'odd'"),
        (minimal(linux={"maskedPaths": ["proc"]}), InvalidSpec, "linux.maskedPaths: 'proc' is not absolute"),
        (minimal(linux={"resources": {"pids": {"limit": "9"}}}), InvalidSpec, "linux.resources.pids.limit: '9' is no"),
        (minimal(linux={"uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}), InvalidSpec, "needs a user"),
        (minimal(hostname="a"), InvalidSpec, "hostname needs the uts namespace"),
        (
            minimal(hostname="a" * 65, linux={"namespaces": [{"type": "uts"}]}),
            InvalidSpec,
            "hostname: the kernel takes 64 bytes",
        ),
        (minimal(hooks={"poststop": [{"path": "x"}]}), InvalidSpec, "hooks.poststop: path 'x' is not absolute"),
        (minimal(hooks={"prestart": [{"path": "/x", "timeout": 0}]}), InvalidSpec, "timeout 0 is not above 0"),
        (minimal(annotations={"a": 1}), InvalidSpec, "annotations.a: 1 is not text"),
        (minimal(linux={"seccomp": {}}), InvalidSpec, "linux.seccomp has no defaultAction"),
    ],
)
def test_what_is_wrong(tmp_path: pathlib.Path, oci: Any, kind: type[EngineError], words: str) -> None:
    with pytest.raises(kind, match=words):
        parse(tmp_path, oci)


def test_no_bundle(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFound, match=r"config\.json: No such file or directory: is this a bundle\?"):
        config.load(str(tmp_path))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([(0, 1000, 0)], "a size of 0 maps nothing"),
        ([(0, 1000, 10), (9, 5000, 1)], "containerID 9 is mapped twice"),
        ([(0, 1000, 10), (10, 1005, 1)], "hostID 1005 is mapped twice"),
        ([(2 * at, 2 * at, 1) for at in range(341)], "the kernel takes 340"),
    ],
)
def test_mappings_that_make_no_sense(entries: list[tuple[int, int, int]], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        config.check_mappings(
            [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in entries],
            "uidMappings",
        )
