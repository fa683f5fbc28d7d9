# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers show together, without following a link."""

from __future__ import annotations

import pathlib

from ansible_collections.berth.containers.plugins.module_utils._engine.cli.below import Below


def test_layers_merge_and_links_are_names(tmp_path: pathlib.Path) -> None:
    for path in ("top/etc/a", "top/flat", "bottom/etc/b", "bottom/flat/hidden", "bottom/usr/bin/x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / "bottom/bin").symlink_to("usr/bin")
    below = Below((str(tmp_path / "top"), str(tmp_path / "bottom")))
    assert below.names(b"etc") == {b"a", b"b"}
    assert below.has(b"etc/b")
    assert below.has(b"bin")
    assert not below.has(b"bin/x")
    assert below.has(b"flat")
    assert not below.has(b"flat/hidden")
    assert not below.has(b"nowhere/at/all")
