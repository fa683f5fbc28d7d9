# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle is the same for the same files, and holds all that a host needs."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ansible.errors import AnsibleError

from ansible_collections.berth.containers.plugins.module_utils._ansible.delivery import content_digest
from ansible_collections.berth.containers.plugins.plugin_utils import bundle

FILES = {"launcher.py": b"", "berth_engine/a.py": b"A = 1\n"}


def test_the_same_files_make_the_same_archive() -> None:
    assert bundle.pack(FILES) == bundle.pack(dict(reversed(FILES.items())))
    assert bundle.pack(FILES) != bundle.pack({**FILES, "berth_engine/a.py": b"A = 2\n"})


def test_only_sources_travel(tmp_path: pathlib.Path) -> None:
    (tmp_path / "room/__pycache__").mkdir(parents=True)
    (tmp_path / "room/a.py").write_text("A = 1\n")
    (tmp_path / "room/__pycache__/a.cpython-311.pyc").write_text("compiled")
    (tmp_path / "room/.a.py.swp").write_text("being edited")
    assert set(bundle.collect(str(tmp_path), packages=())) == {
        "launcher.py",
        "oci_launcher.py",
        "berth_engine/room/a.py",
    }


def test_a_missing_package_is_named() -> None:
    with pytest.raises(AnsibleError, match="needs the Python package no_such_package_here on the controller"):
        bundle.collect(packages=("no_such_package_here",))


def test_a_package_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _package: "1.26.20")
    with pytest.raises(AnsibleError, match=r"needs urllib3 2 or later on the controller, and there is 1\.26\.20"):
        bundle.collect(packages=("urllib3",))


def test_the_digest_is_computed_once_a_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "collect", lambda: FILES)
    digest = bundle.pinned_digest(str(tmp_path))
    assert digest == content_digest(FILES.items())
    monkeypatch.setattr(bundle, "collect", lambda: pytest.fail("collected again"))
    assert bundle.pinned_digest(str(tmp_path)) == digest


def test_files_that_change_during_a_run_are_not_sent(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "collect", lambda: FILES)
    with pytest.raises(AnsibleError, match="changed while Ansible ran"):
        bundle.packed(str(tmp_path), "0" * 64)
    assert os.listdir(tmp_path) == []


def spread(place: pathlib.Path) -> None:
    for path, data in bundle.collect().items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)


def test_the_engine_answers_from_the_bundle_alone(tmp_path: pathlib.Path) -> None:
    spread(tmp_path)
    said = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "launcher.py", "api"],
        input='{"verb": "version"}',
        env={"BERTH_ROOT": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout)["ok"] is True


def test_the_packages_are_whole(tmp_path: pathlib.Path) -> None:
    """They come from what travels, and need nothing that a bare Python has not."""
    spread(tmp_path)
    script = (
        "import sys; sys.path.append(sys.argv[1]); import pyroute2, urllib3; print(pyroute2.__file__, urllib3.__file__)"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [str(tmp_path / name / "__init__.py") for name in bundle.PACKAGES]


def test_the_bundle_stays_small() -> None:
    """It crosses the wire once for every host."""
    assert len(bundle.pack(bundle.collect())) < 1 << 20
