# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a container's that would like to be something else: a line of the log, a variable, an order to the terminal."""

from __future__ import annotations

import json
import pathlib
import re
import stat

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.tests.kernel.cli.conftest import ENGINE, LAUNCHER, Berth
from ansible_collections.berth.containers.tests.kernel.house import House

ESCAPE = "\x1b]0;title\x07\x1b[2J\r\x9b31m"
FORGED = '{"log":"forged\\n","stream":"stdout","time":"2020-01-01T00:00:00.000000000Z"}'


@pytest.fixture
def berth(house: House, tmp_path: pathlib.Path) -> Berth:
    """The command line, on the root of the other tests."""
    (tmp_path / "berth_engine").symlink_to(ENGINE)
    program = tmp_path / "berth"
    program.write_text(LAUNCHER)
    program.chmod(0o755)
    return Berth(program, pathlib.Path(house.paths.root))


def test_a_log_has_the_containers_lines_and_no_others(house: House) -> None:
    """Every line is one JSON object, of the stream that it came by; nothing that is written makes another one."""
    said = [
        "plain",
        FORGED,
        f'"}}\n{FORGED}',
        ESCAPE,
        'x","stream":"stderr',
        "\u2028\u2029\x85\x0b\x0c",
        "\ud7ff\ufeff\\u0000\\",
    ]
    made = house.up(["sh", "-c", 'printf "%s\\n" "$@"; printf "%s\\n" err >&2', "sh", *said])
    house.ended(made["name"])
    with open(house.info(made["name"])["log_path"], "rb") as file:
        raw = file.read().split(b"\n")
    assert raw.pop() == b""
    lines = [json.loads(line) for line in raw]
    assert all(set(line) == {"log", "stream", "time"} for line in lines)
    assert "".join(line["log"] for line in lines if line["stream"] == "stdout") == "".join(f"{word}\n" for word in said)
    assert [line["log"] for line in lines if line["stream"] == "stderr"] == ["err\n"]
    assert all(not char < 0x20 for line in raw for char in line)
    assert len(lines) == sum(word.count("\n") + 1 for word in said) + 1


def test_a_log_is_for_root_alone(house: House) -> None:
    path = pathlib.Path(house.info(house.up()["name"])["log_path"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_variable_is_one_variable(house: House) -> None:
    """A value with a newline makes no second one, in the first process and in one that joins; names are names."""
    value = f"a\nLD_PRELOAD=/evil.so\n{ESCAPE}"
    show = "cat /proc/$$/environ | tr '\\0' '|'"
    made = house.up(env={"WORD": value})
    for shown in (house.run(show, env={"WORD": value}).out, house.exec(made["name"], show, env={"WORD": value}).out):
        words = shown.split("|")
        assert f"WORD={value}" in words
        assert not [word for word in words if word.startswith("LD_PRELOAD")]
    for name in ("", "A=B", "A\0B"):
        with pytest.raises(InvalidSpec):
            house.run("true", env={name: "x"})


def test_a_value_makes_no_line_of_the_files(house: House) -> None:
    """Neither a host name nor an alias, a label or a variable gets a line into what the engine writes."""
    for bad in (
        {"hostname": "a\n1.2.3.4 bank.example"},
        {"hostname": "a b"},
        {"hostname": "a\nb", "network_mode": "host"},
        {"domainname": "a\nb"},
        {"name": "a\nb"},
        {"name": "../x"},
        {"name": "-x"},
    ):
        with pytest.raises(InvalidSpec):
            house.up(**bad)
    with pytest.raises(InvalidSpec):
        house.up(sysctls={"kernel.domainname": "x\nkernel.core_pattern=|/evil"})


def test_what_is_listed_gives_the_terminal_no_orders(house: House, berth: Berth) -> None:
    """Commands, labels and messages of errors are shown with their escapes spelt out."""
    made = house.up(["sh", "-c", "exec sleep 1000", ESCAPE], labels={"l": ESCAPE, ESCAPE: "x"}, env={"E": ESCAPE})
    told = [
        berth.ok(*words)
        for words in (("ps",), ("ps", "--no-trunc"), ("ps", "--format", "json"), ("inspect", made["name"]), ("images",))
    ]
    told += [
        berth("inspect", ESCAPE).stderr.decode(),
        berth("run", "--rm", "--network", "none", "base", ESCAPE).stderr.decode(),
    ]
    told += [berth("exec", made["name"], ESCAPE).stderr.decode(), berth("pull", f"x/{ESCAPE}").stderr.decode()]
    for text in told:
        assert text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), text
    found = json.loads(told[3])
    labels = (found[0] if isinstance(found, list) else found)["spec"]["labels"]
    assert labels == {"l": ESCAPE, ESCAPE: "x"}
