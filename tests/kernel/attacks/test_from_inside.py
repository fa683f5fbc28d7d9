# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's root tries against the host, held off by default, and what shows that it is the defence that holds it off:
the same attack works in a container whose task switched that off."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy
from ansible_collections.berth.containers.tests.kernel.house import House

from . import inside
from .conftest import PYTHON

Try = Callable[[dict[str, Any]], dict[str, str]]

DEFAULT: dict[str, Any] = {}
HOST = {"userns_mode": "host"}
OPEN = {"userns_mode": "host", "privileged": True}
UNFILTERED = {"security_opts": ["seccomp=unconfined"]}
SYS_ADMIN = {"cap_add": ["SYS_ADMIN"], "security_opts": ["apparmor=unconfined"]}
SEES_ALL = {"pid_mode": "host"}
# Each attack, the options under which it is to be held off, and those without the defence.
ATTACKS: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "put_words_into_a_terminal": ((DEFAULT, HOST), OPEN),
    "make_a_user_namespace": ((DEFAULT, HOST), OPEN),
    "uncover_a_masked_file": ((DEFAULT, HOST), SYS_ADMIN),
    "make_proc_sys_writable": ((DEFAULT, HOST), SYS_ADMIN),
    "make_sys_writable": ((DEFAULT, HOST), SYS_ADMIN),
    "mount_another_procfs": ((DEFAULT, HOST), SYS_ADMIN),
    "name_a_core_handler": ((DEFAULT, HOST, SYS_ADMIN), OPEN),
    "change_the_hosts_kernel": ((DEFAULT, HOST, SYS_ADMIN), OPEN),
    "read_the_kernels_log": ((DEFAULT, HOST), OPEN),
    "make_a_control_group": ((DEFAULT, HOST), OPEN),
    "move_to_another_control_group": ((DEFAULT, HOST), OPEN),
    "mount_the_control_groups": ((DEFAULT, HOST, SYS_ADMIN), OPEN),
    "name_a_release_agent": ((DEFAULT, HOST, SYS_ADMIN), {**OPEN, "cgroupns_mode": "host"}),
    "open_a_file_by_its_handle": ((DEFAULT, HOST, SYS_ADMIN), OPEN),
    "keep_a_key": ((DEFAULT, HOST, SYS_ADMIN), UNFILTERED),
    "read_a_keyring": ((DEFAULT, HOST, SYS_ADMIN), UNFILTERED),
    "reach_an_abstract_socket": ((DEFAULT, HOST, OPEN), {"network_mode": "host"}),
    "listen_to_the_wire": ((DEFAULT, HOST), {"cap_add": ["NET_RAW"]}),
    "send_raw_packets": ((DEFAULT, HOST), {"cap_add": ["NET_RAW"]}),
    "gain_by_file_capabilities": ((DEFAULT, HOST), {"no_new_privileges": False}),
    "gain_by_a_set_id_bit": ((DEFAULT, HOST), {"no_new_privileges": False}),
    "signal_the_supervisor": ((SEES_ALL,), {**SEES_ALL, **OPEN}),
    "look_into_the_supervisor": ((SEES_ALL, {**SEES_ALL, **HOST}), {**SEES_ALL, **OPEN}),
}


@pytest.fixture(scope="module")
def tried(shared_house: House, python: str) -> Iterator[Try]:
    """How every attack ended under these options: all of them in one container, which is asked once."""
    known: dict[str, dict[str, str]] = {}
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0berth-test-of-the-host")
    listener.listen(64)
    made = shared_house.up()
    status = pathlib.Path(f"/proc/{made['state']['pid']}/status").read_text()
    supervisor = status.partition("PPid:\t")[2].split()[0]

    def ask(options: dict[str, Any]) -> dict[str, str]:
        key = repr(options)
        if key not in known:
            wanted = [name for name, (held, free) in ATTACKS.items() if options in (*held, free)]
            done = shared_house.run(
                [*PYTHON, "/inside.py", *wanted],
                image=python,
                volumes=["/usr:/usr:ro", f"{inside.__file__}:/inside.py:ro"],
                env={"ABSTRACT": "berth-test-of-the-host", "SUPERVISOR": supervisor},
                **options,
            )
            assert done.code == 0, done
            known[key] = json.loads(done.out)
        return known[key]

    yield ask
    listener.close()
    shared_house.clean()


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_held_off(tried: Try, attack: str) -> None:
    held, free = ATTACKS[attack]
    refusals = {"EPERM", "EACCES", "EROFS", "ECONNREFUSED"}
    if attack == "name_a_release_agent":
        refusals.add("ENOENT")  # it is not even seen
    found = [tried(options)[attack] for options in held]
    assert [word for word in found if word not in refusals] == [], found
    if attack == "name_a_release_agent" and not hierarchy.mounted().v1:
        return  # and nobody has one
    assert tried(free)[attack] == "done", "nothing was shown: the attack does not work without the defence either"


LOCKS = """
import fcntl, os
for name in sorted(name for name in os.listdir("/proc/self/ns") if "_for_" not in name):
    try:
        fcntl.flock(os.open(f"/proc/self/ns/{name}", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(name)
"""


def test_no_lock_on_a_namespace_is_seen_by_others(house: House, python: str) -> None:
    """Who shares one sends bits by locks on its file in /proc, however apart they are kept else (h4x0r.org/funreliable)."""
    held = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in os.listdir("/proc/self/ns")]
    try:
        for fd in held:
            fcntl.flock(fd, fcntl.LOCK_SH)
        wanted = {"image": python, "volumes": ["/usr:/usr:ro"]}
        seen = house.run([*PYTHON, "-c", LOCKS], **wanted)
        assert (seen.code, seen.out, seen.err) == (0, "", "")
        shared = {"network_mode": "host", "ipc_mode": "host", "userns_mode": "host"}
        assert house.run([*PYTHON, "-c", LOCKS], **wanted, **shared).out.split() == ["ipc", "net", "user"]
    finally:
        for fd in held:
            os.close(fd)
