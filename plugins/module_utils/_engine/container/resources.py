# SPDX-License-Identifier: GPL-3.0-or-later
"""From a spec to config.json's "linux.resources": what the kernel is to hold a container to, changed live or at its start."""

from __future__ import annotations

import os

from ..cgroup import devices, resources
from ..errors import EngineError, InvalidSpec, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..cgroup.hierarchy import Hierarchy
    from .spec import Spec

PERIOD = 100_000
# Below this a process can't be started before it is killed (Docker has the same floor).
LEAST_MEMORY = 6 << 20
_LEAST_QUOTA = 1000
_PIDS = 2048
_CPU = (
    ("shares", "cpu_shares"),
    ("quota", "cpu_quota"),
    ("period", "cpu_period"),
    ("cpus", "cpuset_cpus"),
    ("mems", "cpuset_mems"),
)
_MEMORY = (("reservation", "memory_reservation"), ("swappiness", "memory_swappiness"))
_RATES = (
    ("throttleReadBpsDevice", "device_read_bps"), ("throttleWriteBpsDevice", "device_write_bps"),
    ("throttleReadIOPSDevice", "device_read_iops"), ("throttleWriteIOPSDevice", "device_write_iops"),
)  # fmt: skip
# What a user knows a property by.
_OPTIONS = {
    "memory.limit": "memory", "memory.swap": "memory_swap", "pids.limit": "pids_limit", "hugepageLimits": "hugetlb_limits",
    "blockIO.weight": "blkio_weight", "blockIO.weightDevice": "blkio_weight_device",
    **{f"memory.{name}": option for name, option in _MEMORY},
    **{f"cpu.{name}": option for name, option in _CPU},
    **{f"blockIO.{name}": option for name, option in _RATES},
}  # fmt: skip


def resources_of(spec: Spec) -> dict[str, Any]:
    """What was asked for, and a bound on processes and a list of devices for everybody.

    Devices are looked up on this host: NotFound for one that is not there, InvalidSpec for what is none.
    """
    pids = _PIDS if spec.pids_limit is None else spec.pids_limit
    found = {"memory": _memory(spec), "cpu": _cpu(spec), "pids": {"limit": pids} if pids >= 0 else {}}
    if spec.blkio_weight or spec.blkio_weight_device or any(getattr(spec, option) for _name, option in _RATES):
        found["blockIO"] = _block(spec)
    asked: dict[str, Any] = {name: value for name, value in found.items() if value}
    if spec.hugetlb_limits:
        asked["hugepageLimits"] = [{"pageSize": page, "limit": limit} for page, limit in spec.hugetlb_limits.items()]
    asked["devices"] = list(_devices(spec))
    return asked


def check(spec: Spec, hierarchy: Hierarchy) -> None:
    """InvalidSpec for a limit that no process could live in, Unsupported for one that this kernel can't hold."""
    if spec.memory is not None and spec.memory < LEAST_MEMORY:
        raise InvalidSpec(
            f"memory: {spec.memory} bytes is below the {LEAST_MEMORY >> 20} MiB that a process needs to start: give more"
        )
    if spec.cpus is not None and spec.cpus * PERIOD < _LEAST_QUOTA:
        raise InvalidSpec(f"cpus: {spec.cpus} is below the 0.01 that the kernel takes: give more")
    asked = resources_of(spec)
    if spec.pids_limit is None:
        # Nobody asked for it, so a kernel that can't is no reason to refuse.
        del asked["pids"]
    resources.check(asked, hierarchy, _names(spec))


def in_words_of(spec: Spec, error: EngineError) -> EngineError:
    """The kernel's refusal of a value, told of the option instead of the property."""
    word, _unused, rest = str(error).partition(": ")
    option = _names(spec).get(word)
    return type(error)(f"{option}: {rest}") if option and rest else error


def _names(spec: Spec) -> dict[str, str]:
    return {**_OPTIONS, "cpu.quota": "cpus", "cpu.period": "cpus", "cpu.max": "cpus"} if spec.cpus else _OPTIONS


def _memory(spec: Spec) -> dict[str, Any]:
    found = _given(spec, _MEMORY)
    if spec.memory is not None:
        found["limit"] = spec.memory
        found["swap"] = spec.memory if spec.memory_swap is None else spec.memory_swap
    return found


def _cpu(spec: Spec) -> dict[str, Any]:
    found = _given(spec, _CPU)
    if spec.cpus is not None:
        found.update(quota=int(spec.cpus * PERIOD), period=PERIOD)
    return found


def _block(spec: Spec) -> dict[str, Any]:
    found: dict[str, Any] = {} if spec.blkio_weight is None else {"weight": spec.blkio_weight}
    if spec.blkio_weight_device:
        found["weightDevice"] = _numbered("blkio_weight_device", spec.blkio_weight_device, "weight")
    for name, option in _RATES:
        if getattr(spec, option):
            found[name] = _numbered(option, getattr(spec, option), "rate")
    return found


def _numbered(option: str, entries: tuple[str, ...], key: str) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        path, _unused, number = entry.rpartition(":")
        try:
            device = os.stat(path).st_rdev
        except FileNotFoundError:
            raise NotFound(f"{option}: {path} does not exist on this host: leave it out") from None
        if not device:
            raise InvalidSpec(f"{option}: {path} is no device: name a disk such as /dev/sda")
        found.append({"major": os.major(device), "minor": os.minor(device), key: int(number)})
    return found


def _given(spec: Spec, pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    values = ((name, getattr(spec, option)) for name, option in pairs)
    return {name: value for name, value in values if value is not None}


def _devices(spec: Spec) -> tuple[dict[str, Any], ...]:
    if spec.privileged:
        return devices.ALL
    if not spec.devices and not spec.device_cgroup_rules:
        return devices.STANDARD
    from .nodes import rules

    return (*devices.STANDARD, *rules(spec.devices, spec.device_cgroup_rules))
