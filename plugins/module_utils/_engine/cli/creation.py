# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of `run` and `create`: Docker's words on a command line become the parameters that a module would give."""

from __future__ import annotations

import os

from ..errors import Conflict, InvalidSpec, NotFound, from_os
from .naming import new_name
from .options import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Any

    from ..container.record import Record
    from ..paths import Paths
    from .options import Given

OPTIONS = (
    Option("--add-host", "a line more in /etc/hosts", "NAME:ADDRESS", many=True),
    Option("--blkio-weight", "its weight when it competes for disks, 10 to 1000", "NUMBER"),
    Option("--blkio-weight-device", "the same for one disk", "PATH:NUMBER", many=True),
    Option("--cap-add", "a capability more", "CAPABILITY", many=True),
    Option("--cap-drop", "a capability less", "CAPABILITY", many=True),
    Option("--cgroup-parent", "the control group that its own is made in", "PATH"),
    Option("--cgroupns", "private, or host to see where its control groups are", "MODE"),
    Option("--cpu-period", "what --cpu-quota is counted by", "MICROSECONDS"),
    Option("--cpu-quota", "CPU time that it may use in a period", "MICROSECONDS"),
    Option("-c --cpu-shares", "its weight when it competes for CPUs", "NUMBER"),
    Option("--cpus", "how many CPUs' time it may use, such as 0.5", "NUMBER"),
    Option("--cpuset-cpus", "the CPUs that it may run on, such as 0-3,7", "LIST"),
    Option("--cpuset-mems", "the memory nodes that it may use", "LIST"),
    Option("--device", "a device of the host's", "PATH[:PATH][:rwm]", many=True),
    Option("--device-cgroup-rule", "devices that it may use, by number", "RULE", many=True),
    Option("--device-read-bps", "how many bytes a second it may read", "PATH:SIZE", many=True),
    Option("--device-read-iops", "how many reads a second it may do", "PATH:NUMBER", many=True),
    Option("--device-write-bps", "how many bytes a second it may write", "PATH:SIZE", many=True),
    Option("--device-write-iops", "how many writes a second it may do", "PATH:NUMBER", many=True),
    Option("--dns", "a name server to ask", "ADDRESS", many=True),
    Option("--domainname", "the NIS domain inside", "NAME"),
    Option("--entrypoint", "what is put in front of the command instead of the image's", "PROGRAM"),
    Option("-e --env", "an environment variable; NAME alone takes this shell's", "NAME=VALUE", many=True),
    Option("--env-file", "a file of lines NAME=VALUE", "FILE", many=True),
    Option("--group-add", "a group more for its user", "GROUP", many=True),
    Option("-h --hostname", "the host's name inside", "NAME"),
    Option("--hugetlb-limit", "how much memory it may use in huge pages", "PAGE=SIZE", many=True),
    Option("-i --interactive", "connect standard input"),
    Option("--ipc", "private, shareable, none, host or container:NAME", "MODE"),
    Option("-l --label", "a word to find it by", "NAME=VALUE", many=True),
    Option("-m --memory", "the most memory it may use, such as 64M", "SIZE"),
    Option("--memory-reservation", "what it is left with when memory is short", "SIZE"),
    Option("--memory-swap", "memory and swap together; -1 for any amount", "SIZE"),
    Option("--memory-swappiness", "how readily its memory goes to swap, 0 to 100", "NUMBER"),
    Option("--name", "what it is called; made up if left out", "NAME"),
    Option("--network --net", "bridge, none, host or container:NAME", "MODE"),
    Option("--oom-score-adj", "how much sooner it is killed without memory", "NUMBER"),
    Option("--pid", "private, host or container:NAME", "MODE"),
    Option("--pids-limit", "how many processes it may have; -1 for any number", "NUMBER"),
    Option("--privileged", "every capability, nothing masked"),
    Option("-p --publish", "[ADDRESS:][HOSTPORT:]PORT[/udp] that the host answers", "PORT", many=True),
    Option("--read-only", "mount its root read-only"),
    Option("--rm", "remove it when it ends"),
    Option(
        "--security-opt", "seccomp=, apparmor=, label=, no-new-privileges=, mask= or unmask=", "NAME=VALUE", many=True
    ),
    Option("--shm-size", "the size of /dev/shm", "SIZE"),
    Option("--stop-signal", "what asks it to end", "SIGNAL"),
    Option("--stop-timeout", "how long it may take to end", "SECONDS"),
    Option("--sysctl", "a parameter of the kernel, in its namespaces", "NAME=VALUE", many=True),
    Option("--tmpfs", "a file system in memory", "PATH[:OPTIONS]", many=True),
    Option("-t --tty", "give it a terminal"),
    Option("--ulimit", "a limit of each of its processes", "NAME=SOFT[:HARD]", many=True),
    Option("--umask", "permissions that new files don't get", "OCTAL"),
    Option("-u --user", "who runs the command", "USER[:GROUP]"),
    Option("--userns", "auto, host, nomap or container:NAME", "MODE"),
    Option("--uts", "private, or host for its name", "MODE"),
    Option("-v --volume", "a directory or file of the host's", "SOURCE:TARGET[:ro]", many=True),
    Option("-w --workdir", "the directory it starts in", "PATH"),
)

_TEXTS = {
    "blkio-weight": "blkio_weight", "cgroup-parent": "cgroup_parent", "cgroupns": "cgroupns_mode",
    "cpu-period": "cpu_period", "cpu-quota": "cpu_quota", "cpu-shares": "cpu_shares", "cpus": "cpus",
    "cpuset-cpus": "cpuset_cpus", "cpuset-mems": "cpuset_mems", "domainname": "domainname", "hostname": "hostname",
    "ipc": "ipc_mode", "memory": "memory", "memory-reservation": "memory_reservation", "memory-swap": "memory_swap",
    "memory-swappiness": "memory_swappiness", "network": "network_mode", "oom-score-adj": "oom_score_adj",
    "pid": "pid_mode", "pids-limit": "pids_limit", "shm-size": "shm_size", "stop-signal": "stop_signal",
    "stop-timeout": "stop_timeout", "umask": "umask", "user": "user", "userns": "userns_mode", "uts": "uts_mode",
    "workdir": "working_dir",
}  # fmt: skip
_FLAGS = {
    "interactive": "interactive", "privileged": "privileged", "read-only": "read_only", "rm": "auto_remove", "tty": "tty",
}  # fmt: skip
_LISTS = {
    "blkio-weight-device": "blkio_weight_device", "cap-add": "cap_add", "cap-drop": "cap_drop", "device": "devices",
    "device-cgroup-rule": "device_cgroup_rules", "device-read-bps": "device_read_bps",
    "device-read-iops": "device_read_iops", "device-write-bps": "device_write_bps",
    "device-write-iops": "device_write_iops", "dns": "dns_servers", "group-add": "groups", "publish": "published_ports",
    "security-opt": "security_opts", "tmpfs": "tmpfs", "ulimit": "ulimits", "volume": "volumes",
}  # fmt: skip
_PAIRS = {"hugetlb-limit": "hugetlb_limits", "sysctl": "sysctls"}


def make(paths: Paths, given: Given, *, started_next: bool = False) -> Record:
    """The container that the command line describes. Without --name it gets a name that is free."""
    from ..container.create import create
    from ..container.normalise import normalise

    _clean_up(paths)
    params = parameters(given)
    name = given.text("name")
    while True:
        spec = normalise({**params, "name": new_name() if name is None else name})
        try:
            return create(paths, spec, started_next=started_next)
        except Conflict:
            if name is not None:
                raise


def _clean_up(paths: Paths) -> None:
    """After commands that were killed; nearly always there is nothing, and nothing to import."""
    if os.listdir(paths.staging) or os.listdir(paths.replacing):
        from ..container.recover import recover

        recover(paths)


def parameters(given: Given) -> dict[str, Any]:
    """The module's parameters, all but the name."""
    image, *command = given.operands
    params: dict[str, Any] = {"image": image, "command": command or None, **said(given)}
    params.update({param: given.flag(key) for key, param in _FLAGS.items()})
    entrypoint = given.text("entrypoint")
    if entrypoint is not None:
        # An empty one, as in Docker, takes the image's away.
        params["entrypoint"] = [entrypoint] if entrypoint else []
    params["env"] = environment(given)
    params["labels"] = pairs(given.many("label"))
    params["etc_hosts"] = _hosts(given.many("add-host"))
    return params


def said(given: Given) -> dict[str, Any]:
    """The parameters whose options are one text, a list, or pairs, as far as they are on the command line."""
    params: dict[str, Any] = {}
    params.update({param: given.text(key) for key, param in _TEXTS.items() if given.text(key) is not None})
    params.update({param: list(given.many(key)) for key, param in _LISTS.items() if given.many(key)})
    params.update({param: pairs(given.many(key)) for key, param in _PAIRS.items() if given.many(key)})
    if "security_opts" in params:
        params["security_opts"] = [_from_here(item) for item in params["security_opts"]]
    return params


def _from_here(item: str) -> str:
    """seccomp=FILE may be a path from where the user is."""
    name, sign, path = item.partition("=")
    return f"{name}{sign}{os.path.abspath(path)}" if name == "seccomp" and os.path.isfile(path) else item


def options_for(params: Container[str]) -> tuple[Option, ...]:
    """The options that say one of these parameters."""
    keys = {key for table in (_TEXTS, _LISTS, _PAIRS) for key, param in table.items() if param in params}
    return tuple(option for option in OPTIONS if option.key in keys)


def environment(given: Given) -> dict[str, str]:
    """--env-file and then --env, so that a single variable overrides a file's."""
    variables: dict[str, str] = {}
    for path in given.many("env-file"):
        variables.update(_variables(_lines(path), path))
    variables.update(_variables(given.many("env"), "--env"))
    return variables


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE; a name alone has an empty value."""
    return {name: value for name, _unused, value in (text.partition("=") for text in texts)}


def _variables(texts: Iterable[str], where: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or (not equals and " " in name):
            raise InvalidSpec(f"{where}: {text!a} is no variable: write NAME=VALUE")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\r\n").lstrip() for line in file]
    except FileNotFoundError:
        raise NotFound(f"--env-file: {path} does not exist") from None
    except OSError as error:
        raise from_os(error, f"read {path}") from error
    return [line for line in lines if line and not line.startswith("#")]


def _hosts(texts: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        mark = "=" if "=" in text else ":"
        name, _unused, address = text.partition(mark)
        if not name or not address:
            raise InvalidSpec(f"--add-host: {text!a} is not usable: write NAME:ADDRESS")
        found[name] = address.strip("[]")
    return found
