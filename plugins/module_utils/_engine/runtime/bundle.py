# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runtime executes: an OCI config.json, and beside it the decisions that the specification has no words for."""

from __future__ import annotations

import os

from .. import jsontext
from ..records import read_record, write_file, write_record
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Program(Value):
    """A compiled seccomp filter: an array of struct sock_filter, and SECCOMP_FILTER_FLAG_* of seccomp(2)."""

    code: bytes
    flags: int = 0


class Bundle(Value):
    """`oci` is config.json (runtime-spec 1.2); everything else is resolved, absolute and ready to be used. `root` is the state's.

    Of config.json the runtime takes: process (all of it; rlimits that this host does not allow are clamped), root.readonly,
    hostname and domainname (where there is a new uts namespace), mounts (all options), and of linux: namespaces (absent: the
    host's; with a path: that one; mount is always new), uidMappings and gidMappings (of a new user namespace), timeOffsets,
    devices, sysctl, rootfsPropagation, maskedPaths, readonlyPaths, mountLabel, personality. What others resolve before:
    root.path (layers), process.user by name (`user`, `groups`), resources and cgroupsPath (`cgroups`), seccomp (`seccomp`).
    Hooks and intelRdt are a foreign bundle's only.

    `home` holds upper/ and work/ of the overlay, `layers` its lower directories, topmost first. `user` is what the user
    wrote, `groups` are more of the user's, by name or number: names can only be looked up inside the root. `id_start` is
    the first host id of the container's user namespace, None without one. `cgroups` are directories that exist; the first
    of them that is on the unified hierarchy is `unified`. `seccomp` is the compiled filter in hexadecimal, "" for none,
    with its `seccomp_flags`. `map_volumes` says that binds without the option idmap are seen through the container's ids as
    well, where that can be. `network_of` is a pid whose network namespace is shared, 0 for none; `network` is "own", "host"
    or "shared".
    """

    ident: str
    root: str
    oci: dict[str, Any]
    home: str
    run: str
    layers: tuple[str, ...]
    user: str
    id_start: int | None
    cgroups: tuple[str, ...]
    unified: str = ""
    groups: tuple[str, ...] = ()
    seccomp: str = ""
    seccomp_flags: int = 0
    map_volumes: bool = True
    network: str = "own"
    network_of: int = 0
    names_dir: str = ""
    name_servers: tuple[str, ...] = ()
    interactive: bool = False
    terminal: bool = False
    log: str = ""
    log_size: int = 10 << 20
    log_files: int = 5

    def filter(self) -> Program | None:
        """What become() installs."""
        return Program(code=bytes.fromhex(self.seccomp), flags=self.seccomp_flags) if self.seccomp else None


def save(bundle: Bundle, directory: str) -> None:
    """Write config.json below `directory` and the rest, which a reboot may take, into the run-time directory."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    os.makedirs(bundle.run, mode=0o700, exist_ok=True)
    fields = bundle.as_dict()
    write_file(f"{directory}/config.json", jsontext.dumps(fields.pop("oci")).encode(), durable=False)
    write_record(f"{bundle.run}/bundle.json", fields, durable=False)


def load(directory: str, run: str) -> Bundle:
    """The bundle that `save` wrote."""
    fields = read_record(f"{run}/bundle.json")
    with open(f"{directory}/config.json", "rb") as file:
        oci = jsontext.loads(file.read())
    for name in ("layers", "cgroups", "name_servers", "groups"):
        fields[name] = tuple(fields[name])
    return Bundle(oci=oci, **fields)
