# SPDX-License-Identifier: GPL-3.0-or-later
"""Words on a command line become the parameters that a module would give."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli.commands.run import COMMAND
from ansible_collections.berth.containers.plugins.module_utils._engine.cli.creation import parameters
from ansible_collections.berth.containers.plugins.module_utils._engine.cli.naming import new_name
from ansible_collections.berth.containers.plugins.module_utils._engine.container.normalise import normalise
from ansible_collections.berth.containers.plugins.module_utils._engine.container.spec import Spec
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.names import check_name


def spec(line: str, *more: str) -> Spec:
    return normalise({**parameters(COMMAND.read([*line.split(), *more])), "name": "x"})


def test_nothing_but_an_image_has_no_opinion_on_anything() -> None:
    assert spec("base") == normalise({"name": "x", "image": "base"})


def test_every_option_of_run_reaches_the_spec() -> None:
    line = (
        "-it --rm --network bridge -p 8080:80 -v /srv:/data:ro -e A=b=c -u bob:staff -w /tmp -h box -m 64M --cpus 0.5"
        " --pids-limit 10 --read-only --tmpfs /run:size=1m --cap-add NET_ADMIN --cap-drop ALL --privileged --userns host"
        " --entrypoint /bin/sh -l one=1 -l two --dns 9.9.9.9 --add-host db:10.0.0.1 --stop-signal INT --stop-timeout 3"
        " base -c"
    )
    made = spec(line, "echo hi")
    assert made == Spec(
        name="x",
        image="base",
        command=("-c", "echo hi"),
        entrypoint=("/bin/sh",),
        env={"A": "b=c"},
        user="bob:staff",
        working_dir="/tmp",
        hostname="box",
        labels={"one": "1", "two": ""},
        memory=64 << 20,
        cpus=0.5,
        pids_limit=10,
        read_only=True,
        tmpfs=("/run:size=1m",),
        volumes=("/srv:/data:ro",),
        network_mode="bridge",
        published_ports=("0.0.0.0:8080:80/tcp",),
        dns_servers=("9.9.9.9",),
        etc_hosts={"db": "10.0.0.1"},
        stop_signal="SIGINT",
        stop_timeout=3.0,
        auto_remove=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        privileged=True,
        userns_mode="host",
        tty=True,
        interactive=True,
    )
    untouched = normalise({"name": "x", "image": "base"})
    same = [name for name in Spec._fields if getattr(made, name) == getattr(untouched, name)]
    assert same == ["name", "image", "network_mode"]


def test_an_empty_entrypoint_takes_the_image_s_away() -> None:
    assert normalise({**parameters(COMMAND.read(["--entrypoint", "", "base", "ls"])), "name": "x"}).entrypoint == ()


def test_the_words_of_the_command_stay_as_they_are() -> None:
    assert spec("base", "sh", "-c", "a 'b  c'", "").command == ("sh", "-c", "a 'b  c'", "")


def test_variables_come_from_files_then_options_then_this_shell(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\n\nA=from file\nB='as it is'\nHERE\nGONE\n")
    monkeypatch.setenv("HERE", "here")
    monkeypatch.delenv("GONE", raising=False)
    made = spec(f"--env-file {file} -e", "A=from option", "-eGONE", "base")
    assert made.env == {"A": "from option", "B": "'as it is'", "HERE": "here"}


def test_an_env_file_that_is_missing() -> None:
    with pytest.raises(NotFound, match="--env-file: /nowhere/env does not exist"):
        spec("--env-file /nowhere/env base")


@pytest.mark.parametrize("line", ["-e =x base", "--add-host db base", "--add-host :1.2.3.4 base"])
def test_what_makes_no_sense(line: str) -> None:
    with pytest.raises(InvalidSpec):
        spec(line)


def test_made_up_names_are_names_and_differ() -> None:
    names = {new_name() for _unused in range(200)}
    assert len(names) > 195
    assert all(check_name(name) == name for name in names)
