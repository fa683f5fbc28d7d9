# SPDX-License-Identifier: GPL-3.0-or-later
"""User namespaces: own ids, shared ids, files of the host, commands and commits in all of them."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.security import idranges
from ansible_collections.berth.containers.tests.kernel.house import House

SIZE = 65_536


def space(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/user")


@pytest.fixture
def volume(tmp_path: pathlib.Path) -> str:
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        os.chmod(parent, os.stat(parent).st_mode | 0o055)
    (tmp_path / "v").mkdir()
    os.chmod(tmp_path / "v", 0o777)
    (tmp_path / "v/before").write_text("x")
    return f"{tmp_path}/v"


@pytest.mark.parametrize(("mode", "inside", "outside"), [("auto", 0, 0), ("host", 0, 0), ("nomap", 65_534, None)])
def test_files_of_the_host_have_sane_owners(
    house: House, volume: str, mode: str, inside: int, outside: int | None
) -> None:
    """`inside` is whose the host root's files are there, `outside` whose the container root's are on the host."""
    made = house.up(userns_mode=mode, volumes=[f"{volume}:/v"])
    start = made["userns_start"]
    assert house.exec(made["name"], "stat -c %u:%g /v/before").out == f"{inside}:{inside}\n"
    script = "touch /v/root; stat -c %u:%g /v/root"
    assert house.exec(made["name"], script).out == "0:0\n"
    assert house.exec(made["name"], "touch /v/user; stat -c %u:%g /v/user", user="1000:1001").out == "1000:1001\n"
    shift = start if outside is None else 0
    owners = {
        name: (os.stat(f"{volume}/{name}").st_uid, os.stat(f"{volume}/{name}").st_gid) for name in ("root", "user")
    }
    assert owners == {"root": (shift, shift), "user": (1000 + shift, 1001 + shift)}
    # What the host's root must know of `auto`: the bit counts for the one who owns the file outside.
    house.exec(made["name"], "chmod 4755 /v/root")
    left = os.stat(f"{volume}/root")
    assert (left.st_mode & 0o7777, left.st_uid == 0) == (0o4755, outside == 0)
    assert house.exec(made["name"], "stat -c %u:%g /etc/hosts && cat /etc/hosts").out.startswith("0:0\n")


def test_a_shared_user_namespace(house: House) -> None:
    owner = house.up()
    other = house.up(userns_mode=f"container:{owner['name']}")
    assert other["userns_start"] == owner["userns_start"]
    assert space(other["state"]["pid"]) == space(owner["state"]["pid"])
    assert os.readlink(f"/proc/{other['state']['pid']}/ns/pid") != os.readlink(f"/proc/{owner['state']['pid']}/ns/pid")
    third = house.up(userns_mode=f"container:{other['name']}")
    assert space(third["state"]["pid"]) == space(owner["state"]["pid"])
    script = "id -u; touch /new && stat -c %u /new; cut -c1-10 /proc/self/uid_map; readlink /proc/self/ns/user"
    done = house.exec(other["name"], script)
    assert done.out.split() == ["0", "0", "0", space(owner["state"]["pid"])]
    assert os.stat(f"{other['upper']}/new").st_uid == 0


def test_its_owner_must_run(house: House) -> None:
    with pytest.raises(NotFound, match="nobody"):
        house.up(userns_mode="container:nobody")
    owner = house.up(state="present")
    made = house.ask("container", name="late", image="base", userns_mode=f"container:{owner['name']}", state="present")
    assert made.result["container"]["userns_start"] == owner["userns_start"]
    with pytest.raises(NotFound, match=f"container {owner['name']} does not run: start it first"):
        house.ask("container", name="late", state="started")
    house.ask("container", name=owner["name"], state="started")
    house.ask("container", name="late", state="started")
    with pytest.raises(InvalidSpec, match="itself"):
        house.up(name="self", userns_mode="container:self")


def test_a_range_is_in_use_until_the_last_one_that_shares_it_is_gone(house: House) -> None:
    owner = house.up()
    sharers = [house.up(userns_mode=f"container:{owner['name']}") for _unused in range(2)]
    start = owner["userns_start"]
    house.ask("container", name=owner["name"], state="absent")
    assert idranges.holder(house.paths, start) in {one["id"] for one in sharers}
    for one in sharers:
        assert house.exec(one["name"], "id -u").out == "0\n"
        assert house.info(one["name"])["userns_start"] == start
    house.ask("container", name=sharers[0]["name"], state="absent")
    assert idranges.holder(house.paths, start) == sharers[1]["id"]
    house.ask("container", name=sharers[1]["name"], state="stopped")
    assert idranges.holder(house.paths, start) == ""
    again = house.up(name=owner["name"])
    house.ask("container", name=sharers[1]["name"], state="started")
    assert house.info(sharers[1]["name"])["userns_start"] == again["userns_start"] != start


def test_other_ids_than_those_of_the_processes_it_sees(house: House) -> None:
    one, other = house.up(), house.up()
    with pytest.raises(Conflict, match="other user ids"):
        house.up(userns_mode=f"container:{one['name']}", pid_mode=f"container:{other['name']}")
    with pytest.raises(InvalidSpec, match="of two containers"):
        house.up(ipc_mode=f"container:{one['name']}", pid_mode=f"container:{other['name']}")
    with pytest.raises(InvalidSpec, match="nomap has ids of its own"):
        house.up(userns_mode="nomap", pid_mode=f"container:{other['name']}")


def modes(house: House) -> list[dict[str, Any]]:
    owner = house.up()
    return [{"userns_mode": mode} for mode in ("auto", "host", "nomap", f"container:{owner['name']}")]


def test_a_commit_has_the_ids_that_the_container_sees(house: House) -> None:
    digests = set()
    for number, params in enumerate(modes(house)):
        made = house.up(**params)
        script = "mkdir /made && touch /made/a && chown 7:8 /made/a && chmod 4750 /made/a && touch -d @0 /made/a /made && touch -d @0 /"
        assert house.exec(made["name"], script).code == 0
        image = house.ask("container_commit", container=made["name"], name=f"made{number}").result["image"]
        digests.add(image["layer"])
        done = house.run("stat -c '%u:%g %a' /made/a", image=f"made{number}")
        assert done.out == "7:8 4750\n", params
    for number in range(4):
        for name in list(house.made):
            house.ask("container", name=name, state="absent")
        house.ask("container_image", name=f"made{number}", state="absent")
    assert len(digests) == 1
