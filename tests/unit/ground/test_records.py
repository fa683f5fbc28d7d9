# SPDX-License-Identifier: GPL-3.0-or-later
"""Records are there whole or not at all; locks are given back by the kernel; roots do not meet; errors name their kind."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pathlib
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import errors
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Busy,
    Damaged,
    EngineError,
    KernelError,
    NotFound,
    StorageFull,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.locks import DirectoryLock, Lock
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import DEFAULT_ROOT, Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.records import (
    FORMAT,
    read_record,
    write_file,
    write_record,
)


def test_a_record_comes_back(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "r.json")
    for durable in (True, False):
        write_record(path, {"b": [1, {"c": None}], "a": "é"}, durable=durable)
        assert read_record(path) == {"a": "é", "b": [1, {"c": None}]}
    assert json.loads(pathlib.Path(path).read_text())["format"] == FORMAT
    assert os.listdir(tmp_path) == ["r.json"]
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"a": 1}', '{"format": 99, "a": 1}', "\xff", "[" * 100_000, '{"format": true']
)
def test_what_is_no_record(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "r").write_text(text, encoding="latin-1")
    with pytest.raises(Damaged, match=str(tmp_path)):
        read_record(str(tmp_path / "r"))


def test_every_turned_bit_of_a_record_is_found(tmp_path: pathlib.Path) -> None:
    fields = {"image": "base:latest", "memory": 64, "labels": {"a": "b"}}
    path = tmp_path / "r"
    write_record(str(path), fields)
    data = path.read_bytes()
    for at, bit in itertools.product(range(len(data) - 1), range(8)):  # the last is the line's end
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])
        with pytest.raises(Damaged):
            read_record(str(path))


def test_a_record_of_before_there_were_seals(tmp_path: pathlib.Path) -> None:
    (tmp_path / "r").write_text('{"a":1,"format":1}\n')
    assert read_record(str(tmp_path / "r")) == {"a": 1}


def test_a_missing_record(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFound):
        read_record(str(tmp_path / "r"))


def test_a_failed_write_leaves_the_old_one(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "r")
    write_record(path, {"a": 1})

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="free some space"):
        write_record(path, {"a": 2})
    monkeypatch.undo()
    assert read_record(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["r"]


def test_mode_of_a_file(tmp_path: pathlib.Path) -> None:
    old = os.umask(0o077)
    try:
        write_file(str(tmp_path / "f"), b"x", mode=0o644)
    finally:
        os.umask(old)
    assert os.stat(tmp_path / "f").st_mode & 0o777 == 0o644


def test_a_lock_is_one_persons(tmp_path: pathlib.Path) -> None:
    with Lock(str(tmp_path), "thing"):
        begun = time.monotonic()
        with pytest.raises(Busy, match=f"thing is busy: process {os.getpid()} "):
            Lock(str(tmp_path), "thing", patience=0.1).acquire()
        assert 0.1 <= time.monotonic() - begun < 1
        with Lock(str(tmp_path), "other", patience=0):
            pass
    with Lock(str(tmp_path), "thing", patience=0):
        pass


def test_readers_share(tmp_path: pathlib.Path) -> None:
    with (
        Lock(str(tmp_path), "store", shared=True),
        Lock(str(tmp_path), "store", shared=True, patience=0),
        pytest.raises(Busy),
    ):
        Lock(str(tmp_path), "store", patience=0).acquire()


def test_a_dead_holder_holds_nothing(tmp_path: pathlib.Path) -> None:
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        Lock(str(tmp_path), "thing").acquire()
        os.write(told, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    with pytest.raises(Busy, match=f"process {pid}"):
        Lock(str(tmp_path), "thing", patience=0).acquire()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    with Lock(str(tmp_path), "thing", patience=1):
        pass


def test_the_lock_of_a_directory_that_goes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c").mkdir()
    with DirectoryLock(str(tmp_path / "c"), "container c"):
        os.rename(tmp_path / "c", tmp_path / "trash")
    with pytest.raises(NotFound, match="container c is not there any more"):
        DirectoryLock(str(tmp_path / "c"), "container c").acquire()


def test_roots_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.delenv("BERTH_ROOT", raising=False)
    assert Paths().root == DEFAULT_ROOT
    assert (Paths().run, Paths().kernel_name("berth0", 15)) == ("/run/berth", "berth0")
    a, b = Paths("/a"), Paths("/b")
    assert a.run != b.run
    for longest in (10, 15, 255):
        names = {paths.kernel_name("berth0", longest) for paths in (Paths(), a, b)}
        assert len(names) == 3
        assert all(len(name) <= longest for name in names)
    monkeypatch.setenv("BERTH_ROOT", str(tmp_path / "x"))
    assert Paths().root == str(tmp_path / "x")
    assert Paths("/a").root == "/a"


def test_every_error_has_a_code_of_its_own_and_flies_by_name() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EngineError)]
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    for kind in kinds:
        if kind is not KernelError:
            assert errors.named(kind.__name__, "x").__class__ is kind
    assert errors.named("KernelError", "x").__class__ is EngineError
    assert errors.named("os", "x").__class__ is EngineError
    assert errors.named("SystemExit", "x").__class__ is EngineError
    assert str(KernelError("mount", "/x", errno.EPERM)) == "mount /x: Operation not permitted"
    assert str(KernelError("clone3", "", errno.EPERM)) == "clone3: Operation not permitted"
