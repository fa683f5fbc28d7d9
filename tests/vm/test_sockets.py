# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter of system calls leaves to AppArmor's profile: the families of sockets that 32-bit calls hide from it."""

from __future__ import annotations

import base64
import errno
import socket
import struct

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp.numbers import numbers
from ansible_collections.berth.containers.tests.kernel.security.probe import DATA, Call, answers, program
from ansible_collections.berth.containers.tests.vm.conftest import Host

# Family, type, protocol: one that everybody may have, the kernel's ciphers, and the way to the hypervisor.
WANTED = ((socket.AF_INET, socket.SOCK_STREAM, 0), (38, socket.SOCK_SEQPACKET, 0), (40, socket.SOCK_STREAM, 0))


def sockets(host: Host, *options: str) -> list[int]:
    """What the kernel answers in a container when each of them is asked for by socketcall(2): a descriptor, or an error."""
    data = b"".join(struct.pack("<3I", *words) for words in WANTED)
    calls = [Call(numbers("X86")["socketcall"], (1, DATA + 12 * count), narrow=True) for count in range(len(WANTED))]
    text = base64.b64encode(program(calls, data)).decode()
    host.run("base64 -d > /root/probe && chmod 755 /root/probe", stdin=text)
    words = ("run", "--rm", "--network", "none", "-v", "/root/probe:/probe:ro", *options, "base")
    return answers(host.berth(*words, "sh", "-c", "/probe | od -An -v -t d8"))


@pytest.mark.short
def test_the_profile_refuses_what_the_filter_can_not_see(host: Host) -> None:
    given, *refused = sockets(host)
    assert (given > 2, refused) == (True, [-errno.EACCES] * 2)
    # Without it the filter refuses all three, unless it was told not to.
    free = ("--security-opt", "apparmor=unconfined")
    assert sockets(host, *free) == [-errno.ENOSYS] * 3
    given, cipher, _hypervisor = sockets(host, *free, "--security-opt", "seccomp=default-32bit")
    assert min(given, cipher) > 2, "nothing was shown: nobody can have a cipher here"
