# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds a container's processes back, in words: for those who look, changing nothing."""

from __future__ import annotations

from ..errors import EngineError
from ..security import apparmor, labels
from .processes import has_no_new_privileges, held_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .record import Record


def confinement_of(record: Record) -> dict[str, Any]:
    """`seccomp` is default, unconfined or a file; `apparmor` and `selinux` are "" for none, and `note` may say why."""
    spec = record.spec
    found, note = labels.Labels(), ""
    try:
        found = labels.resolve(
            spec.security_opts, record.id, privileged=spec.privileged, loadable=apparmor.is_available()
        )
        note = found.note
    except EngineError as error:
        note = str(error)
    return {
        "capabilities": list(held_by(spec)),
        "no_new_privileges": has_no_new_privileges(spec),
        "seccomp": "".join(labels.values_of(spec.security_opts, "seccomp"))
        or ("unconfined" if spec.privileged else "default"),
        "apparmor": found.apparmor,
        "selinux": found.process,
        "note": note,
    }
