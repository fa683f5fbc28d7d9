# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a network: a container's own always lead to it, a shared host name to one that is there."""

from __future__ import annotations

import os
import pathlib

from ansible_collections.berth.containers.plugins.module_utils._engine.network import directory


def test_names_lead_to_addresses_and_back(tmp_path: pathlib.Path) -> None:
    names = str(tmp_path / "names")
    directory.enter(names, "10.0.0.2", ("Web", "abc"), "shop", lambda _: True)
    assert [directory.look_up(names, name) for name in ("web", "WEB", "abc", "shop", "@10.0.0.2", "x")] == [
        "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.2", "web", "",
    ]  # fmt: skip
    directory.leave(names, "10.0.0.2", ("Web", "abc", "shop"))
    assert os.listdir(names) == []
    directory.leave(names, "10.0.0.2", ("Web", "abc", "shop"))


def test_a_host_name_stays_with_the_first_that_is_there(tmp_path: pathlib.Path) -> None:
    names = str(tmp_path)
    directory.enter(names, "10.0.0.2", ("a", "aaa"), "shop", lambda _: True)
    directory.enter(names, "10.0.0.3", ("b", "bbb"), "shop", lambda held: held == "10.0.0.2")
    assert directory.look_up(names, "shop") == "10.0.0.2"
    directory.leave(names, "10.0.0.3", ("b", "bbb", "shop"))
    assert directory.look_up(names, "shop") == "10.0.0.2"
    directory.enter(names, "10.0.0.4", ("c", "ccc"), "shop", lambda _: False)
    assert directory.look_up(names, "shop") == "10.0.0.4"


def test_nobodys_host_name_takes_anothers_own_name(tmp_path: pathlib.Path) -> None:
    names = str(tmp_path)
    directory.enter(names, "10.0.0.3", ("b", "bbb"), "a", lambda _: True)
    directory.enter(names, "10.0.0.2", ("a", "aaa"), "a", lambda _: True)
    assert directory.look_up(names, "a") == "10.0.0.2"
    directory.leave(names, "10.0.0.3", ("b", "bbb", "a"))
    assert directory.look_up(names, "a") == "10.0.0.2"
