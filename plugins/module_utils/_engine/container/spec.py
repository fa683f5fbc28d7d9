# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks of a container, normalised once: the record keeps it, and comparing two is a loop over its fields."""

from __future__ import annotations

from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Spec(Value):
    """Every option as it was asked for, in its one canonical spelling. None: no opinion, the image's or the default holds.

    Sizes are bytes, durations seconds. `volumes` are "source:target:rw|ro", `tmpfs` "target:options", `published_ports`
    "ip:host:container/protocol", `labels`, `env`, `etc_hosts` and `sysctls` mappings of strings, `devices` "host:container:rwm",
    `ulimits` "name=soft:hard" with -1 for no limit, `security_opts` "name=value", device limits "path:number", `hugetlb_limits`
    a mapping of "2MB" to bytes, `cgroup_parent` a path without slashes at its ends.
    """

    name: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = {}
    user: str | None = None
    working_dir: str | None = None
    hostname: str | None = None
    labels: Mapping[str, str] = {}
    memory: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    network_mode: str = "bridge"
    published_ports: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    etc_hosts: Mapping[str, str] = {}
    stop_signal: str | None = None
    stop_timeout: float | None = None
    auto_remove: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    userns_mode: str = "auto"
    tty: bool = False
    interactive: bool = False
    memory_swap: int | None = None
    memory_reservation: int | None = None
    memory_swappiness: int | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    blkio_weight: int | None = None
    blkio_weight_device: tuple[str, ...] = ()
    device_read_bps: tuple[str, ...] = ()
    device_write_bps: tuple[str, ...] = ()
    device_read_iops: tuple[str, ...] = ()
    device_write_iops: tuple[str, ...] = ()
    hugetlb_limits: Mapping[str, int] = {}
    devices: tuple[str, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    security_opts: tuple[str, ...] = ()
    no_new_privileges: bool | None = None
    ulimits: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = {}
    oom_score_adj: int | None = None
    shm_size: int | None = None
    ipc_mode: str = "private"
    pid_mode: str = "private"
    uts_mode: str = "private"
    cgroupns_mode: str = "private"
    cgroup_parent: str | None = None
    groups: tuple[str, ...] = ()
    domainname: str | None = None
    umask: str | None = None

    # These take effect on a container that runs; any other difference makes it anew.
    _live = (
        "labels", "stop_signal", "stop_timeout", "memory", "cpus", "pids_limit", "memory_swap", "memory_reservation",
        "memory_swappiness", "cpu_shares", "cpu_quota", "cpu_period", "cpuset_cpus", "cpuset_mems", "blkio_weight",
        "blkio_weight_device", "device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops", "hugetlb_limits",
    )  # fmt: skip


def shares(spec: Spec) -> bool:
    """Whether it is in namespaces of another container, its network aside."""
    return any(mode.startswith("container:") for mode in (spec.userns_mode, spec.pid_mode, spec.ipc_mode))


def opinions(spec: Spec) -> dict[str, Any]:
    """What was asked for, as JSON values: the fields that are not what they would be if nobody had said anything."""
    return {name: value for name, value in spec.as_dict().items() if getattr(spec, name) != getattr(Spec, name, None)}


def differences(wanted: Spec, actual: Spec) -> tuple[str, ...]:
    """The names of the fields that differ."""
    return tuple(name for name in Spec._fields if getattr(wanted, name) != getattr(actual, name))


def from_record(fields: dict[str, Any]) -> Spec:
    """The spec that `as_dict` gave to a record; fields that an older engine did not know get their defaults."""
    known = {name: _frozen(fields[name]) for name in Spec._fields if name in fields}
    return Spec(**known)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
