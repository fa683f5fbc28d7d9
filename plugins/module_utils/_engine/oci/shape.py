# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of config.json (runtime-spec 1.2): which properties have which type, and what is wrong with one, with its path.

Beside them memoryPolicy of runtime-spec 1.3. Unknown properties are ignored, as the specification wants it (config.md, Extensibility).
"""

from __future__ import annotations

from ..errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A shape is a name below, [shape] for a list, {"*": shape} for a map, or properties by name; a name that ends with "!"
# must be there. "u32", "u64" and so on are whole numbers in that range.
_RANGES: dict[str, tuple[int, int]] = {
    "int": (-(1 << 63), (1 << 64) - 1), "u16": (0, (1 << 16) - 1), "u32": (0, (1 << 32) - 1), "u64": (0, (1 << 64) - 1),
    "i64": (-(1 << 63), (1 << 63) - 1),
}  # fmt: skip
_TYPES: dict[str, tuple[type, str]] = {"str": (str, "text"), "bool": (bool, "true or false")}

_MAPPINGS = [{"containerID!": "u32", "hostID!": "u32", "size!": "u32"}]
_DEVICE_NUMBER = {"major!": "i64", "minor!": "i64"}
_RESOURCES: dict[str, Any] = {
    "devices": [{"allow!": "bool", "type": "str", "major": "i64", "minor": "i64", "access": "str"}],
    "memory": {
        "limit": "i64", "reservation": "i64", "swap": "i64", "kernel": "i64", "kernelTCP": "i64", "swappiness": "u64",
        "disableOOMKiller": "bool", "useHierarchy": "bool", "checkBeforeUpdate": "bool",
    },
    "cpu": {
        "shares": "u64", "quota": "i64", "burst": "u64", "period": "u64", "realtimeRuntime": "i64", "realtimePeriod": "u64",
        "cpus": "str", "mems": "str", "idle": "i64",
    },
    "pids": {"limit": "i64"},
    "blockIO": {
        "weight": "u16", "leafWeight": "u16",
        "weightDevice": [{**_DEVICE_NUMBER, "weight": "u16", "leafWeight": "u16"}],
        **{
            f"throttle{way}{what}Device": [{**_DEVICE_NUMBER, "rate!": "u64"}]
            for way in ("Read", "Write") for what in ("Bps", "IOPS")
        },
    },
    "hugepageLimits": [{"pageSize!": "str", "limit!": "u64"}],
    "network": {"classID": "u32", "priorities": [{"name!": "str", "priority!": "u32"}]},
    "rdma": {"*": {"hcaHandles": "u32", "hcaObjects": "u32"}},
    "unified": {"*": "str"},
}  # fmt: skip
PROCESS: dict[str, Any] = {
    "terminal": "bool",
    "consoleSize": {"height!": "u16", "width!": "u16"},
    "user": {"uid": "u32", "gid": "u32", "umask": "u32", "additionalGids": ["u32"], "username": "str"},
    "args": ["str"], "commandLine": "str", "env": ["str"], "cwd!": "str",
    "capabilities": {kind: ["str"] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
    "rlimits": [{"type!": "str", "hard!": "u64", "soft!": "u64"}],
    "noNewPrivileges": "bool", "apparmorProfile": "str", "selinuxLabel": "str", "oomScoreAdj": "int",
    "scheduler": {
        "policy!": "str", "nice": "int", "priority": "int", "flags": ["str"], "runtime": "u64", "deadline": "u64", "period": "u64",
    },
    "ioPriority": {"class!": "str", "priority": "int"},
    "execCPUAffinity": {"initial": "str", "final": "str"},
}  # fmt: skip
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_HOOK = {"path!": "str", "args": ["str"], "env": ["str"], "timeout": "int"}
_SECCOMP = {
    "defaultAction!": "str", "defaultErrnoRet": "u32", "architectures": ["str"], "flags": ["str"], "listenerPath": "str",
    "listenerMetadata": "str",
    "syscalls": [
        {
            "names!": ["str"], "action!": "str", "errnoRet": "u32",
            "args": [{"index!": "u32", "value!": "u64", "valueTwo": "u64", "op!": "str"}],
        }
    ],
}  # fmt: skip
_LINUX: dict[str, Any] = {
    "namespaces": [{"type!": "str", "path": "str"}],
    "uidMappings": _MAPPINGS, "gidMappings": _MAPPINGS,
    "timeOffsets": {"*": {"secs": "i64", "nanosecs": "u32"}},
    "devices": [
        {"type!": "str", "path!": "str", "major": "i64", "minor": "i64", "fileMode": "u32", "uid": "u32", "gid": "u32"}
    ],
    "cgroupsPath": "str", "resources": _RESOURCES, "rootfsPropagation": "str", "seccomp": _SECCOMP,
    "sysctl": {"*": "str"}, "maskedPaths": ["str"], "readonlyPaths": ["str"], "mountLabel": "str",
    "personality": {"domain!": "str", "flags": ["str"]},
    "memoryPolicy": {"mode!": "str", "nodes": "str", "flags": ["str"]},
    "intelRdt": {"closID": "str", "l3CacheSchema": "str", "memBwSchema": "str"},
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "ociVersion!": "str",
    "root!": {"path!": "str", "readonly": "bool"},
    "mounts": [
        {
            "destination!": "str", "type": "str", "source": "str", "options": ["str"],
            "uidMappings": _MAPPINGS, "gidMappings": _MAPPINGS,
        }
    ],
    "process": PROCESS, "hostname": "str", "domainname": "str",
    "hooks": {kind: [_HOOK] for kind in HOOKS},
    "linux": _LINUX,
    "annotations": {"*": "str"},
}  # fmt: skip


def check(value: Any, shape: Any, path: str = "config.json") -> None:
    """InvalidSpec with the path of the first property that has not the type that the specification gives it."""
    if isinstance(shape, str):
        _check_plain(value, shape, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise InvalidSpec(f"{path} is no list")
        for number, item in enumerate(value):
            check(item, shape[0], f"{path}[{number}]")
    elif not isinstance(value, dict):
        raise InvalidSpec(f"{path} is no object")
    elif "*" in shape:
        for name, item in value.items():
            check(item, shape["*"], f"{path}.{name}")
    else:
        _check_properties(value, shape, path)


def _check_properties(value: dict[str, Any], shape: dict[str, Any], path: str) -> None:
    for name, inner in shape.items():
        plain = name.rstrip("!")
        item = value.get(plain)
        # Writers in Go leave null where there is nothing.
        if item is not None:
            check(item, inner, f"{path}.{plain}" if path != "config.json" else plain)
        elif name != plain:
            raise InvalidSpec(f"{path} has no {plain}")


def _check_plain(value: Any, shape: str, path: str) -> None:
    if shape in _TYPES:
        kind, words = _TYPES[shape]
        if not isinstance(value, kind):
            raise InvalidSpec(f"{path}: {_shown(value)} is not {words}")
        if isinstance(value, str) and "\0" in value:
            raise InvalidSpec(f"{path} holds a zero byte")
        return
    least, most = _RANGES[shape]
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSpec(f"{path}: {_shown(value)} is no whole number")
    if not least <= value <= most:
        raise InvalidSpec(f"{path}: {value} is not between {least} and {most}")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) < 60 else f"{text[:57]}..."
