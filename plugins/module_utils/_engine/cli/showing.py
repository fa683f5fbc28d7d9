# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, sizes and ids as people read them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..network.ports import Port
    from ..runtime.state import State

_UNITS = (
    (31_536_000, "year"),
    (2_592_000, "month"),
    (604_800, "week"),
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
)


def short_id(ident: str) -> str:
    """Twelve digits, without sha256:."""
    return ident.removeprefix("sha256:")[:12]


def duration(seconds: float) -> str:
    """In one unit, cut off: 5 minutes, 1 hour, 3 weeks."""
    for size, unit in _UNITS:
        # Two of a unit say more than one of the next.
        if seconds >= (2 * size if size > 1 and unit not in ("hour", "minute") else size):
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a second"


def ago(then: float, now: float) -> str:
    """How long ago a time since the epoch was."""
    return f"{duration(max(now - then, 0))} ago"


def status(state: State, now: float) -> str:
    """Up 5 minutes, Up 5 minutes (Paused), Exited (0) 2 days ago, Created."""
    if state.status == "running":
        remarks = f"{' (Paused)' if state.paused else ''}{' (no supervisor)' if state.lost else ''}"
        return f"Up {duration(max(now - state.started_at, 0))}{remarks}"
    if state.status == "exited":
        return f"Exited ({'?' if state.unseen else state.exit_code}) {ago(state.finished_at or state.started_at, now)}"
    return "Created"


def port(item: Port) -> str:
    """0.0.0.0:8080->80/tcp."""
    return f"{item.host_ip}:{item.host_port or '?'}->{item.container_port}/{item.protocol}"


def shortened(text: str, width: int) -> str:
    """`text`, cut to `width` characters with a sign that it was."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def size(count: int) -> str:
    """In powers of 1000 as Docker's lists have it: 2.15MB."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}TB"
