# SPDX-License-Identifier: GPL-3.0-or-later
"""Which capabilities are held, as Docker combines the options; and which ranges of ids are whose."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.names import new_id
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.security import capabilities, idranges, masks


def test_the_default_is_the_eleven() -> None:
    assert capabilities.resolve((), (), privileged=False) == tuple(
        name for name in capabilities.NAMES if name in capabilities.DEFAULT
    )
    assert len(capabilities.DEFAULT) == 11
    assert not {"SYS_ADMIN", "NET_RAW", "MKNOD", "SYS_PTRACE", "DAC_READ_SEARCH", "AUDIT_WRITE"} & set(
        capabilities.DEFAULT
    )


@pytest.mark.parametrize(
    ("add", "drop", "held"),
    [
        (("NET_ADMIN",), (), {*capabilities.DEFAULT, "NET_ADMIN"}),
        ((), ("KILL",), set(capabilities.DEFAULT) - {"KILL"}),
        (("ALL",), (), set(capabilities.NAMES)),
        ((), ("ALL",), set()),
        (("SETUID",), ("ALL",), {"SETUID"}),
        (("ALL",), ("SYS_ADMIN",), set(capabilities.NAMES) - {"SYS_ADMIN"}),
        (("KILL",), ("KILL",), set(capabilities.DEFAULT)),
    ],
)
def test_combinations(add: tuple[str, ...], drop: tuple[str, ...], held: set[str]) -> None:
    assert set(capabilities.resolve(add, drop, privileged=False)) == held


def test_privileged_has_all_but_what_is_dropped() -> None:
    assert set(capabilities.resolve((), (), privileged=True)) == set(capabilities.NAMES)
    assert "SYS_BOOT" not in capabilities.resolve((), ("SYS_BOOT",), privileged=True)


def test_the_mask_is_the_kernels() -> None:
    assert capabilities.mask(("CHOWN",)) == 1
    assert capabilities.mask(("SYS_ADMIN",)) == 1 << 21
    assert capabilities.mask(("CHECKPOINT_RESTORE",)) == 1 << 40
    # What Podman shows for the same eleven.
    assert capabilities.mask(capabilities.DEFAULT) == 0x800405FB


def test_spellings() -> None:
    assert capabilities.normalise(("cap_net_raw", "NET_RAW", " Kill "), "cap_add") == ("KILL", "NET_RAW")
    assert capabilities.normalise(("all",), "cap_add") == ("ALL",)
    for bad in ("", "CAP_", "NET", "CAP_CAP_KILL"):
        with pytest.raises(InvalidSpec, match="cap_drop"):
            capabilities.normalise((bad,), "cap_drop")


def test_what_docker_and_podman_hide_is_hidden() -> None:
    assert {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/acpi", "/proc/interrupts"} <= set(
        masks.MASKED
    )
    assert {"/proc/sys", "/proc/sysrq-trigger", "/proc/bus", "/proc/fs", "/proc/irq"} <= set(masks.READ_ONLY)


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    made = Paths(str(tmp_path))
    made.prepare()
    yield made
    shutil.rmtree(made.run)


def made(paths: Paths, ident: str = "") -> str:
    ident = ident or new_id()
    os.makedirs(paths.container(ident))
    return ident


def test_ranges_never_meet(paths: Paths) -> None:
    starts = sorted(idranges.reserve(paths, made(paths)) for _unused in range(50))
    assert all(later - earlier >= idranges.SIZE for earlier, later in itertools.pairwise(starts))
    assert starts[0] >= 1 << 29
    assert idranges.FIRST + idranges.COUNT * idranges.SIZE <= (1 << 31)


def test_ids_that_begin_alike_get_different_ranges(paths: Paths) -> None:
    idents = [made(paths, "abcdef01" + new_id()[8:]) for _unused in range(5)]
    assert len({idranges.reserve(paths, ident) for ident in idents}) == 5
    assert idranges.reserve(paths, idents[2]) == idranges.reserve(paths, idents[2])


def test_a_range_is_given_back_by_its_holder_only(paths: Paths) -> None:
    ident, other = made(paths), made(paths)
    start = idranges.reserve(paths, ident)
    idranges.release(paths, other, start)
    assert len(os.listdir(paths.leases)) == 1
    for _unused in range(2):
        idranges.release(paths, ident, start)
        assert os.listdir(paths.leases) == []


def test_a_dead_holders_range_is_free(paths: Paths) -> None:
    ident = made(paths)
    start = idranges.reserve(paths, ident)
    os.rmdir(paths.container(ident))
    assert idranges.reserve(paths, made(paths, ident[:8] + new_id()[8:])) == start
    # One that is being made is not dead.
    early = new_id()
    os.mkdir(f"{paths.staging}/container-{early}-1-x")
    first = idranges.reserve(paths, early)
    assert idranges.reserve(paths, made(paths, early[:8] + new_id()[8:])) != first


def test_when_all_are_taken(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idranges, "COUNT", 3)
    for _unused in range(3):
        idranges.reserve(paths, made(paths))
    with pytest.raises(Conflict, match="userns_mode: host"):
        idranges.reserve(paths, made(paths))
