# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle becomes an engine whole or not at all."""

from __future__ import annotations

import io
import os
import pathlib
import stat
import subprocess
import sys
import tarfile
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._ansible import delivery
from ansible_collections.berth.containers.plugins.module_utils._ansible.delivery import (
    DeliveryError,
    content_digest,
    install,
    shebang,
)
from ansible_collections.berth.containers.plugins.module_utils._engine import packed, packing
from ansible_collections.berth.containers.plugins.plugin_utils.bundle import pack

FILES = {
    "launcher.py": b"import sys\nsys.stdout.write('hello ' + ' '.join(sys.argv[1:]))\n",
    "berth_engine/__init__.py": b"",
    "berth_engine/packed.py": pathlib.Path(packed.__file__).read_bytes(),
    "berth_engine/packing.py": pathlib.Path(packing.__file__).read_bytes(),
    "berth_engine/room/deep.py": b"X = 1\n",
}
DIGEST = content_digest(FILES.items())


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "state" / "engine"


def bundle(tmp_path: pathlib.Path, data: bytes | None = None) -> str:
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(pack(FILES) if data is None else data)
    return str(path)


def left_in(home: pathlib.Path) -> list[str]:
    return sorted(name for name in os.listdir(home) if name != ".lock")


def test_an_engine_is_installed_once_and_runs(tmp_path: pathlib.Path, home: pathlib.Path) -> None:
    assert install(bundle(tmp_path), str(home), DIGEST) is True
    assert install(bundle(tmp_path), str(home), DIGEST) is False
    assert left_in(home) == [DIGEST]
    assert stat.S_IMODE(home.stat().st_mode) == stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    said = subprocess.run([home / DIGEST / "berth", "world"], capture_output=True, text=True, check=True)
    assert said.stdout == "hello world"


def test_every_file_is_compiled_for_this_python(tmp_path: pathlib.Path, home: pathlib.Path) -> None:
    install(bundle(tmp_path), str(home), DIGEST)
    tag = sys.implementation.cache_tag
    assert (home / DIGEST / f"berth_engine/room/__pycache__/deep.{tag}.pyc").exists()
    assert (home / DIGEST / f"berth_engine/__pycache__/__init__.{tag}.pyc").exists()
    assert (home / DIGEST / packed.PACK).exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8])
def test_a_cut_bundle_leaves_nothing(tmp_path: pathlib.Path, home: pathlib.Path, share: float) -> None:
    whole = pack(FILES)
    with pytest.raises(DeliveryError, match="run the task again"):
        install(bundle(tmp_path, whole[: int(len(whole) * share)]), str(home), DIGEST)
    assert left_in(home) == []


@pytest.mark.parametrize(
    "files",
    [
        {name: data for name, data in FILES.items() if "deep" not in name},
        {**FILES, "more.py": b""},
        {**FILES, "berth_engine/room/deep.py": b"X = 2\n"},
    ],
    ids=["fewer", "more", "other"],
)
def test_other_content_than_promised_is_refused(
    tmp_path: pathlib.Path, home: pathlib.Path, files: dict[str, bytes]
) -> None:
    with pytest.raises(DeliveryError, match="has digest"):
        install(bundle(tmp_path, pack(files)), str(home), DIGEST)
    assert left_in(home) == []


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "a//b", "./a", ""])
def test_a_name_that_leads_out_is_refused(tmp_path: pathlib.Path, home: pathlib.Path, name: str) -> None:
    with pytest.raises(DeliveryError):
        install(bundle(tmp_path, pack({**FILES, name: b"bad"})), str(home), DIGEST)
    assert left_in(home) == []
    assert not list(tmp_path.rglob("out"))


def test_a_link_is_refused(tmp_path: pathlib.Path, home: pathlib.Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        link = tarfile.TarInfo("berth_engine")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(DeliveryError, match="which no bundle of ours has"):
        install(bundle(tmp_path, target.getvalue()), str(home), DIGEST)
    assert left_in(home) == []


def test_half_made_engines_are_swept_and_a_nameless_directory_is_none(
    tmp_path: pathlib.Path, home: pathlib.Path
) -> None:
    (home / ".new-4242" / "berth_engine").mkdir(parents=True)
    (home / DIGEST / "berth_engine").mkdir(parents=True)
    assert install(bundle(tmp_path), str(home), DIGEST) is True
    assert left_in(home) == [DIGEST]
    assert (home / DIGEST / "berth").exists()


def test_racing_deliveries_end_with_one(tmp_path: pathlib.Path, home: pathlib.Path) -> None:
    source, made = bundle(tmp_path), []
    threads = [threading.Thread(target=lambda: made.append(install(source, str(home), DIGEST))) for _number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 5 + [True]
    assert left_in(home) == [DIGEST]


def test_a_delivery_that_never_ends_is_named(
    tmp_path: pathlib.Path, home: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(delivery, "_PATIENCE", 0.1)
    home.mkdir(parents=True)
    with open(home / ".lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DeliveryError, match="another delivery has held"):
            install(bundle(tmp_path), str(home), DIGEST)


@pytest.mark.parametrize("name", ["plain", "with space", "quo'te", "l" * 130])
def test_any_path_of_python_makes_a_program(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / name).symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(shebang(str(tmp_path / name)) + "import sys\nsys.stdout.write(repr(sys.flags.isolated))\n")
    script.chmod(0o755)
    assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "1"


@given(st.dictionaries(st.text(min_size=1), st.binary()), st.dictionaries(st.text(min_size=1), st.binary()))
def test_equal_digests_mean_equal_files(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (content_digest(one.items()) == content_digest(reversed(other.items()))) == (one == other)
