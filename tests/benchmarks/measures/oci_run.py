# SPDX-License-Identifier: GPL-3.0-or-later
"""One bundle with all that Docker gives a container by default, run by our OCI runtime and by Docker's own, runc."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..command import CommandFailed, clock, run
from ..engines import Berth, Docker
from ..report import Need, Row
from ..trial import Bench

_RUNC = "/usr/sbin/runc"
# Podman's package has it, in the form of Docker's.
_PROFILE = "seccomp=/usr/share/containers/seccomp.json"
_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip
_DEVICES = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2))


def measure(bench: Bench) -> Iterator[Row]:
    programs = {Docker.name: _RUNC}
    for engine in bench.engines:
        if engine.name == Berth.name:
            programs[Berth.name] = os.path.join(os.path.dirname(os.path.realpath(engine.program)), "berth-oci")
    bundle = _write(bench.scratch / "oci")
    samples: dict[str, list[float]] = {name: [] for name in programs}
    failures: dict[str, str] = {}
    names = list(programs)
    for index in range(-1, bench.repeats(25, 7)):
        for name in [one for one in names if one not in failures]:
            root = str(bundle.parent / f"oci-{name}")
            try:
                taken = clock([programs[name], "--root", root, "run", "--bundle", str(bundle), f"bench{index + 1}"])[0]
            except CommandFailed as failure:
                failures[name] = str(failure)
            else:
                # The first round is thrown away.
                samples[name] += [taken] if index >= 0 else []
        names.append(names.pop(0))
    note = "docker stands for runc, its runtime"
    yield Row("oci runtime: run true with Docker's defaults", "ms", Need(ratio=3), samples, failures, note=note)


def _write(bundle: Path) -> Path:
    """The bundle: what `runc spec` has, and the rest of what Docker would say."""
    (bundle / "rootfs/bin").mkdir(parents=True)
    shutil.copy2("/bin/busybox", bundle / "rootfs/bin/true")
    run([_RUNC, "spec", "--bundle", str(bundle)])
    oci = json.loads((bundle / "config.json").read_text())
    held = [f"CAP_{name}" for name in _CAPABILITIES]
    oci["process"] |= {"terminal": False, "args": ["/bin/true"], "noNewPrivileges": False, "rlimits": []}
    oci["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), held)
    oci["root"]["readonly"] = False
    linux = oci["linux"]
    linux["namespaces"] = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")]
    linux["cgroupsPath"] = f"/{bundle.parent.name}-{Docker.name}/oci"
    linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}, *map(_device, _DEVICES)]}
    linux["seccomp"] = _seccomp()
    (bundle / "config.json").write_text(json.dumps(oci))
    return bundle


def _device(numbers: tuple[int, int]) -> dict[str, Any]:
    return {"allow": True, "type": "c", "major": numbers[0], "minor": numbers[1], "access": "rwm"}


def _seccomp() -> dict[str, Any]:
    """Docker's profile as the runtime specification writes it."""
    sys.path.append(str(Path(__file__).resolve().parents[3] / "plugins" / "module_utils"))
    found: dict[str, Any] = importlib.import_module("_engine.security.seccomp").resolve(
        (_PROFILE,), _CAPABILITIES, privileged=False
    )
    return found
