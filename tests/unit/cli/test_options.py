# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines are read as Docker reads them, and what is wrong is said with the way out."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli.options import (
    Command,
    Option,
    UsageError,
    nearest,
)

OPTIONS = (
    Option("-e --env", "a variable", "NAME=VALUE", many=True),
    Option("-i --interactive", "input"),
    Option("-t --tty", "a terminal"),
    Option("--rm", "remove"),
    Option("--name", "the name", "NAME"),
    Option("--network --net", "the network", "MODE"),
)
RUN = Command("run", "IMAGE [COMMAND...]", "Run.", OPTIONS, least=1, ends=True)
STOP = Command("stop", "NAME...", "Stop.", (Option("-t --time", "how long", "SECONDS"),), least=1, most=2)


@pytest.mark.parametrize(
    "words",
    [
        ["-e", "A=b"],
        ["-eA=b"],
        ["-e=A=b"],
        ["--env", "A=b"],
        ["--env=A=b"],
    ],
)
def test_every_spelling_of_a_value(words: list[str]) -> None:
    given = RUN.read([*words, "base"])
    assert given.many("env") == ("A=b",)
    assert given.operands == ("base",)


def test_short_flags_combine_and_may_end_in_a_value() -> None:
    given = RUN.read(["-ite", "A=b", "base"])
    assert (given.flag("interactive"), given.flag("tty"), given.many("env")) == (True, True, ("A=b",))
    assert RUN.read(["-iteA=b", "base"]).many("env") == ("A=b",)


def test_flags_take_a_word_after_an_equals_sign_only() -> None:
    assert RUN.read(["--rm=false", "base"]).flag("rm") is False
    assert RUN.read(["--rm=TRUE", "base"]).flag("rm") is True
    assert RUN.read(["-t=false", "base"]).flag("tty") is False
    assert RUN.read(["--rm", "false"]).operands == ("false",)
    with pytest.raises(UsageError, match="--rm is true or false, not 'maybe'"):
        RUN.read(["--rm=maybe"])


def test_options_end_at_the_image() -> None:
    given = RUN.read(["--rm", "base", "ls", "-it", "--name", "x", "--"])
    assert given.operands == ("base", "ls", "-it", "--name", "x", "--")
    assert given.text("name") is None


def test_two_dashes_end_the_options() -> None:
    assert RUN.read(["--rm", "--", "--name"]).operands == ("--name",)
    assert STOP.read(["a", "--", "-t"]).operands == ("a", "-t")


def test_elsewhere_options_may_follow_names() -> None:
    given = STOP.read(["a", "-t", "1", "b"])
    assert given.operands == ("a", "b")
    assert given.text("time") == "1"


def test_repeating() -> None:
    given = RUN.read(["-e", "A=1", "--name", "x", "-eB=2", "--name=y", "--net", "none", "base"])
    assert given.many("env") == ("A=1", "B=2")
    assert given.text("name") == "y"
    assert given.text("network") == "none"


def test_a_lone_dash_is_an_operand() -> None:
    assert STOP.read(["-", "x"]).operands == ("-", "x")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--nam", "x"], "run: unknown option --nam, did you mean --name? (see berth run --help)"),
        (["--newtork=none"], "run: unknown option --newtork, did you mean --network? (see berth run --help)"),
        (["--frobnicate"], "run: unknown option --frobnicate (see berth run --help)"),
        (["-x"], "run: unknown option -x (see berth run --help)"),
        (["-itx"], "run: unknown option -x in -itx (see berth run --help)"),
        (["--\x1b[2J"], "run: unknown option '--\\x1b[2J' (see berth run --help)"),
        (["--name"], "run: --name needs a value (see berth run --help)"),
        (["-ie"], "run: -e needs a value (see berth run --help)"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        RUN.read(words)
    assert str(caught.value) == sentence


def test_numbers_of_operands() -> None:
    STOP.check(STOP.read(["a", "b"]))
    with pytest.raises(UsageError, match="too few arguments: berth stop NAME"):
        STOP.check(STOP.read([]))
    with pytest.raises(UsageError, match="too many arguments"):
        STOP.check(STOP.read(["a", "b", "c"]))


def test_help_names_every_option() -> None:
    text = RUN.help()
    assert text.startswith("usage: berth run [OPTION...] IMAGE [COMMAND...]\n\nRun.\n")
    for option in (*OPTIONS, *RUN.options):
        assert all(name in text for name in option.names)
        assert option.help in text
    assert "  -e, --env NAME=VALUE" in text


def test_h_is_help_unless_the_command_has_its_own() -> None:
    assert STOP.read(["-h"]).flag("help")
    own = Command("run", "", "", (Option("-h --hostname", "name", "NAME"),))
    assert own.read(["-h", "box"]).text("hostname") == "box"
    assert own.read(["--help"]).flag("help")


@pytest.mark.parametrize(
    ("word", "hint"),
    [("imgaes", ", did you mean images?"), ("rum", ", did you mean run?"), ("frobnicate", ""), ("x", "")],
)
def test_nearest(word: str, hint: str) -> None:
    assert nearest(word, ["run", "images", "exec", "rmi"]) == hint
