# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth login`: keeps what opens a registry, after the registry has taken it."""

from __future__ import annotations

import os

from ...errors import InvalidSpec
from ...image.login import container_registry_login
from .. import say
from ..options import Command, Option, UsageError
from ..transfer import REGISTRY, access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "login",
    "[REGISTRY]",
    "Keep a user and a password for a registry, docker.io unless told, in the file that docker and podman use, too.",
    (
        *(option for option in REGISTRY if option.key != "creds"),
        Option("-p --password", "the password; others on this host can see it there", "PASSWORD"),
        Option("--password-stdin", "read the password from standard input"),
        Option("-u --username", "the user", "NAME"),
    ),
    most=1,
)


def run(paths: Paths, given: Given) -> int:
    params = {
        **access(given),
        "registry": given.operands[0] if given.operands else None,
        "username": given.text("username") or _ask("Username: ", hidden=False),
        "password": _password(given),
    }
    answer = container_registry_login(paths, params, check=False)
    for warning in answer.warnings:
        say.error(warning)
    say.line(f"Login Succeeded: {answer.result['username']} at {answer.result['registry']}")
    return 0


def _password(given: Given) -> str:
    if given.flag("password-stdin"):
        if given.text("password"):
            raise UsageError("login: --password and --password-stdin exclude each other")
        with open(0, encoding="utf-8", closefd=False) as file:
            return file.read().rstrip("\r\n")
    return given.text("password") or _ask("Password: ", hidden=True)


def _ask(question: str, *, hidden: bool) -> str:
    if not os.isatty(0):
        raise InvalidSpec("login: there is no terminal to ask at: give --username and --password-stdin")
    if hidden:
        import getpass

        return getpass.getpass(question)
    say.out(question.encode(), 2)
    with open(0, encoding="utf-8", closefd=False) as file:
        return file.readline().rstrip("\r\n")
