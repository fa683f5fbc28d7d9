# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth oci`, and the program `berth-oci`: the command line of OCI runtimes, with options where runc takes them."""

from __future__ import annotations

import gc
import os

from ...errors import CommandNotExecutable, CommandNotFound, EngineError, InvalidSpec, NotPermitted
from ...oci.store import DEFAULT_ROOT, VERSION
from ...version import VERSION as ENGINE
from .. import say
from ..options import Command, Given, Option, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...oci.create import Wish
    from ...paths import Paths
    from ...runtime.nursery import Nursling

COMMAND = Command(
    "oci",
    "COMMAND [ARG...]",
    "Run bundles of the Open Container Initiative's runtime specification, as Podman, containerd and others ask for it:\n"
    "create start state kill delete run exec pause resume list ps update features",
    (
        Option("--root", "where the runtime keeps what it knows of containers", "DIRECTORY"),
        Option("--log", "a file for errors and warnings", "FILE"),
        Option("--log-format", "text or json", "FORMAT"),
        Option("--log-level", "taken for the sake of callers", "LEVEL"),
        Option("--debug", "taken for the sake of callers"),
        Option("--systemd-cgroup", "groups are systemd's to make (not supported)"),
        Option("--cgroup-manager", "cgroupfs", "NAME"),
        Option("--rootless", "taken for the sake of callers", "WORD"),
        Option("--criu", "taken for the sake of callers", "PATH"),
        Option("-v --version", "show the version"),
    ),
    ends=True,
)
_CREATING = (
    Option("-b --bundle", "the bundle's directory; the current one if left out", "DIRECTORY"),
    Option("-f --config", "the configuration's file in it", "FILE"),
    Option("--console-socket", "a socket that is sent the terminal", "PATH"),
    Option("--pid-file", "where the process's pid is written", "PATH"),
    Option("--preserve-fds", "how many descriptors from 3 up the process keeps", "NUMBER"),
    Option("--no-pivot", "not supported: the old root would stay reachable"),
    Option("--no-new-keyring", "keep the caller's session keyring"),
    Option("--no-subreaper", "taken for the sake of callers"),
)


def main(argv: Sequence[str]) -> int:
    """The program `berth-oci`: the exit status of `run` and `exec` is the process's, else 0, or 1 for an error."""
    gc.disable()
    say.open_missing()
    try:
        given = COMMAND.read(argv)
    except EngineError as error:
        say.error(str(error))
        return 1
    return _guarded(given)


def run(paths: Paths, given: Given) -> int:
    """`berth oci`: the same."""
    del paths
    return _guarded(given)


def _guarded(given: Given) -> int:
    try:
        return _carry_out(given)
    except EngineError as error:
        _log(given, "error", _words(error))
        return 1


def _carry_out(given: Given) -> int:
    if given.flag("version"):
        say.text(f"berth-oci version {ENGINE}\nspec: {VERSION}\n")
        return 0
    if given.flag("help") or not given.operands:
        say.text(COMMAND.help())
        return 0
    name, *words = given.operands
    if name not in _VERBS:
        raise InvalidSpec(
            f"{name!a} is no command of an OCI runtime{nearest(name, _VERBS)}: berth oci --help lists them"
        )
    _check_log(given)
    command, verb = _VERBS[name]
    asked = command.read(words)
    if asked.flag("help"):
        say.text(command.help())
        return 0
    command.check(asked)
    if os.geteuid() != 0 and name != "features":
        raise NotPermitted(f"berth oci {name} needs root")
    return verb(given, asked)


def _words(error: EngineError) -> str:
    """Podman and Docker tell 127 and 126 by what other runtimes say."""
    if isinstance(error, CommandNotFound):
        return f"{error}: executable file not found in $PATH: no such file or directory"
    if isinstance(error, CommandNotExecutable):
        return f"{error}: cannot execute"
    return str(error)


def _log(given: Given, level: str, sentence: str) -> None:
    """To standard error, and to the log in the form that callers read."""
    say.error(sentence if level == "error" else f"{level}: {sentence}")
    path = given.text("log")
    if not path:
        return
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if given.text("log-format") == "json":
        from ... import jsontext

        line = jsontext.dumps({"level": level, "msg": sentence, "time": now})
    else:
        line = f'time="{now}" level={level} msg="{sentence}"'
    try:
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(line + "\n")
    except OSError as error:
        say.error(f"{path}: {error.strerror}")


def _warner(given: Given) -> Callable[[str], object]:
    return lambda sentence: _log(given, "warning", sentence)


def _check_log(given: Given) -> None:
    """A log that can't be written must not swallow what goes wrong later."""
    if given.text("log-format") not in (None, "", "text", "json"):
        raise InvalidSpec(f"--log-format: {given.text('log-format')!a} is neither text nor json")
    path = given.text("log")
    if path:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise InvalidSpec(f"--log {path}: {error.strerror}") from error


def _root(given: Given) -> str:
    return given.text("root") or DEFAULT_ROOT


def _sockets(first: int) -> int:
    """How many sockets follow that were passed on as systemd does (sd_listen_fds(3)), as far as they are there."""
    text = os.environ.get("LISTEN_FDS") or "0"
    count = 0
    while text.isascii() and text.isdigit() and count < int(text) < 1000 and _is_open(first + count):
        count += 1
    return count


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _preserved(asked: Given) -> int:
    text = asked.text("preserve-fds") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise InvalidSpec(f"--preserve-fds: {text!a} is no number")
    for fd in range(3, 3 + int(text)):
        if not _is_open(fd):
            raise InvalidSpec(f"--preserve-fds: descriptor {fd} is not open")
    return int(text)


def _midwife() -> Nursling:
    """Started before anything else is imported: it gets ready meanwhile."""
    from ...runtime import sealed

    return sealed.start("runtime.foreign")


def _create(given: Given, asked: Given) -> int:
    preserve = _preserved(asked)
    sockets = _sockets(3 + preserve)
    midwife = _midwife()
    from ...oci import create

    create.create(_wish(given, asked, preserve, sockets), midwife, _warner(given), door=True)
    return 0


def _wish(given: Given, asked: Given, preserve: int, sockets: int) -> Wish:
    from ...oci import create

    if asked.flag("no-pivot"):
        raise InvalidSpec("--no-pivot: without pivot_root(2) the old root stays reachable: leave it out")
    return create.Wish(
        root=_root(given),
        ident=asked.operands[0],
        bundle=asked.text("bundle") or ".",
        config=asked.text("config") or "config.json",
        pid_file=asked.text("pid-file") or "",
        console_socket=asked.text("console-socket") or "",
        preserve=preserve + sockets,
        sockets=sockets,
        systemd=given.flag("systemd-cgroup") or given.text("cgroup-manager") == "systemd",
        keyring=not asked.flag("no-new-keyring"),
    )


def _run(given: Given, asked: Given) -> int:
    preserve = _preserved(asked)
    sockets = _sockets(3 + preserve)
    midwife = _midwife()
    from ...oci import console, create, ending
    from ...oci.start import let_go, poststart

    wish = _wish(given, asked, preserve, sockets)
    detach = asked.flag("detach")
    made = create.create(wish, midwife, _warner(given), door=False)
    master = made.master
    if master >= 0 and wish.console_socket:
        console.send(wish.console_socket, master)
        master = -1

    def begin() -> None:
        with made.runtime:
            let_go(made.runtime, made.config, wish.ident, made.known)
        poststart(made.config, wish.ident, made.known)

    try:
        if detach:
            begin()
            return 0
        from ..foreground import stay

        status = stay(made.pid, master, begin)
    except BaseException:
        with made.home:
            ending.destroy(made.home, made.known, _warner(given))
        raise
    if not asked.flag("keep"):
        with made.home:
            ending.destroy(made.home, made.known, _warner(given))
    return status


def _exec(given: Given, asked: Given) -> int:
    preserve = _preserved(asked)
    midwife = _midwife()
    from ...oci import execute

    ident, *args = asked.operands
    no_new_privs = asked.text("no-new-privs")
    wish = execute.Wish(
        root=_root(given),
        ident=ident,
        args=tuple(args),
        process=asked.text("process") or "",
        cwd=asked.text("cwd") or "",
        env=asked.many("env"),
        user=asked.text("user") or "",
        groups=tuple(_number(text) for text in asked.many("additional-gids")),
        capabilities=asked.many("cap"),
        tty=asked.flag("tty"),
        no_new_privs=None if no_new_privs is None else asked.flag("no-new-privs"),
        apparmor=asked.text("apparmor") or "",
        selinux=asked.text("process-label") or "",
        detach=asked.flag("detach"),
        pid_file=asked.text("pid-file") or "",
        console_socket=asked.text("console-socket") or "",
        preserve=preserve,
        ignore_paused=asked.flag("ignore-paused"),
        keyring=not asked.flag("no-new-keyring"),
    )
    pid, master = execute.start(wish, midwife)
    if wish.detach:
        return 0
    from ..foreground import stay

    return stay(pid, master, lambda: None)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidSpec(f"{text!a} is no number")
    return int(text)


def _start(given: Given, asked: Given) -> int:
    from ...oci.start import start

    start(_root(given), asked.operands[0], _warner(given))
    return 0


def _state(given: Given, asked: Given) -> int:
    from ...oci.looking import state

    say.json_document(state(_root(given), asked.operands[0]))
    return 0


def _kill(given: Given, asked: Given) -> int:
    from ...kernel import signals
    from ...oci.ending import kill

    ident, *words = asked.operands
    name = asked.text("signal") or (words[0] if words else "SIGTERM")
    kill(_root(given), ident, signals.number_of(name), everybody=asked.flag("all"))
    return 0


def _delete(given: Given, asked: Given) -> int:
    from ...oci.ending import delete

    for ident in asked.operands:
        delete(_root(given), ident, _warner(given), force=asked.flag("force"))
    return 0


def _pause(given: Given, asked: Given) -> int:
    from ...oci.looking import pause

    pause(_root(given), asked.operands[0], frozen=True)
    return 0


def _resume(given: Given, asked: Given) -> int:
    from ...oci.looking import pause

    pause(_root(given), asked.operands[0], frozen=False)
    return 0


def _list(given: Given, asked: Given) -> int:
    from ...oci.looking import everything

    found = everything(_root(given))
    if asked.flag("quiet"):
        for item in found:
            say.line(item["id"])
    elif asked.text("format") == "json":
        say.json_document(found)
    else:
        rows = ([str(item[name]) for name in ("id", "pid", "status", "bundle", "created", "owner")] for item in found)
        say.table(("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"), rows)
    return 0


def _ps(given: Given, asked: Given) -> int:
    from ...oci.looking import processes

    found = processes(_root(given), asked.operands[0])
    if asked.text("format") == "json":
        say.json_document(found)
    else:
        say.table(("PID",), ((str(pid),) for pid in found))
    return 0


def _update(given: Given, asked: Given) -> int:
    from ...oci import config, update

    path = asked.text("resources")
    if path:
        data = _all_of_stdin() if path == "-" else config.read(path)
        resources = update.read(data)
    else:
        resources = _limits(asked)
    update.update(_root(given), asked.operands[0], resources)
    return 0


def _all_of_stdin() -> bytes:
    data = b""
    while chunk := os.read(0, 1 << 16):
        data += chunk
    return data


def _limits(asked: Given) -> dict[str, dict[str, int | str]]:
    found: dict[str, dict[str, int | str]] = {}
    for option, (part, name) in _LIMITS.items():
        text = asked.text(option)
        if text is not None:
            found.setdefault(part, {})[name] = text if name in ("cpus", "mems") else _whole(text, option)
    return found


def _whole(text: str, option: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidSpec(f"--{option}: {text!a} is no number")
    return int(text)


def _features(given: Given, asked: Given) -> int:
    del given, asked
    from ...oci.features import features

    say.json_document(features())
    return 0


_LIMITS = {
    "blkio-weight": ("blockIO", "weight"), "cpu-period": ("cpu", "period"), "cpu-quota": ("cpu", "quota"),
    "cpu-burst": ("cpu", "burst"), "cpu-share": ("cpu", "shares"), "cpu-idle": ("cpu", "idle"),
    "cpu-rt-period": ("cpu", "realtimePeriod"), "cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems"), "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"), "memory-swap": ("memory", "swap"), "pids-limit": ("pids", "limit"),
}  # fmt: skip
_FORMAT = Option("-f --format", "table or json", "FORMAT")
_VERBS: dict[str, tuple[Command, Callable[[Given, Given], int]]] = {
    "create": (Command("oci create", "ID", "Make a container of a bundle; start runs it.", _CREATING, least=1, most=1), _create),
    "start": (Command("oci start", "ID", "Run the program of a container that is created.", least=1, most=1), _start),
    "state": (Command("oci state", "ID", "Show a container's state.", least=1, most=1), _state),
    "kill": (
        Command(
            "oci kill",
            "ID [SIGNAL]",
            "Send a signal, TERM if left out.",
            (
                Option("-a --all", "to every process of the container"),
                Option("-s --signal", "the signal", "SIGNAL"),
            ),
            least=1,
            most=2,
        ),
        _kill,
    ),
    "delete": (
        Command("oci delete", "ID...", "Take a container that is stopped away.",
                (Option("-f --force", "kill it first; it need not be there"),), least=1),
        _delete,
    ),
    "run": (
        Command(
            "oci run",
            "ID",
            "Create, start, wait for the end and delete.",
            (
                *_CREATING,
                Option("-d --detach", "leave it running"),
                Option("--keep", "do not delete it at its end"),
            ),
            least=1,
            most=1,
        ),
        _run,
    ),
    "exec": (
        Command(
            "oci exec",
            "ID COMMAND [ARG...]",
            "Run one more process in a container.",
            (
                Option("-p --process", "a file with the process object of config.json", "FILE"),
                Option("--cwd", "the directory it starts in", "PATH"),
                Option("-e --env", "an environment variable", "NAME=VALUE", many=True),
                Option("-t --tty", "give it a terminal"),
                Option("-u --user", "who runs it", "UID[:GID]"),
                Option("-g --additional-gids", "more groups", "GID", many=True),
                Option("-d --detach", "leave it running"),
                Option("-c --cap", "one more capability", "CAP", many=True),
                Option("--no-new-privs", "no gain of privileges by execve"),
                Option("--apparmor", "an AppArmor profile", "NAME"),
                Option("--process-label", "an SELinux label", "LABEL"),
                Option("--pid-file", "where the process's pid is written", "PATH"),
                Option("--console-socket", "a socket that is sent the terminal", "PATH"),
                Option("--preserve-fds", "how many descriptors from 3 up the process keeps", "NUMBER"),
                Option("--ignore-paused", "also in a container that is paused"),
                Option("--no-new-keyring", "keep the caller's session keyring"),
                Option("--no-subreaper", "taken for the sake of callers"),
                Option("--cgroup", "taken for the sake of callers", "PATH"),
            ),
            least=1,
            ends=True,
        ),
        _exec,
    ),
    "pause": (Command("oci pause", "ID", "Stop every process of a container.", least=1, most=1), _pause),
    "resume": (Command("oci resume", "ID", "Let the processes of a container go on.", least=1, most=1), _resume),
    "list": (
        Command("oci list", "", "Show all containers.", (_FORMAT, Option("-q --quiet", "only ids")), most=0),
        _list,
    ),
    "ps": (Command("oci ps", "ID", "Show the processes in a container.", (_FORMAT,), least=1, ends=True), _ps),
    "update": (
        Command(
            "oci update",
            "ID",
            "Change the limits of a container that runs.",
            (
                Option("-r --resources", "a file with the resources object of config.json, - is standard input", "FILE"),
                *(Option(f"--{name}", f"linux.resources.{part}.{key}", "VALUE") for name, (part, key) in _LIMITS.items()),
            ),
            least=1,
            most=1,
        ),
        _update,
    ),
    "features": (Command("oci features", "", "Show what this runtime implements.", most=0), _features),
}  # fmt: skip
