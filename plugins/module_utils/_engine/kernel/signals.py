# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals as plain numbers: the standard library's module makes enumerations of them, for 5 ms at every start."""

from __future__ import annotations

from ..errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _names
    from signal import (
        NSIG,
        SIG_DFL,
        SIG_IGN,
        SIG_SETMASK,
        SIGCHLD,
        SIGCONT,
        SIGHUP,
        SIGINT,
        SIGKILL,
        SIGPIPE,
        SIGQUIT,
        SIGTERM,
        SIGUSR1,
        SIGUSR2,
        SIGWINCH,
        getsignal,
        pthread_sigmask,
        set_wakeup_fd,
        signal,
    )
else:
    import _signal as _names
    from _signal import (
        NSIG,
        SIG_DFL,
        SIG_IGN,
        SIG_SETMASK,
        SIGCHLD,
        SIGCONT,
        SIGHUP,
        SIGINT,
        SIGKILL,
        SIGPIPE,
        SIGQUIT,
        SIGTERM,
        SIGUSR1,
        SIGUSR2,
        SIGWINCH,
        getsignal,
        pthread_sigmask,
        set_wakeup_fd,
        signal,
    )

__all__ = (
    "NSIG",
    "SIGCHLD",
    "SIGCONT",
    "SIGHUP",
    "SIGINT",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGTERM",
    "SIGUSR1",
    "SIGUSR2",
    "SIGWINCH",
    "SIG_DFL",
    "SIG_IGN",
    "SIG_SETMASK",
    "getsignal",
    "ignored",
    "name_of",
    "number_of",
    "pthread_sigmask",
    "set_wakeup_fd",
    "signal",
)


def number_of(name: str) -> int:
    """The number of a signal: "SIGTERM", "TERM", "term" or "15". InvalidSpec when there is none."""
    text = name.strip().upper()
    if text.isascii() and text.isdigit() and 0 < int(text) < NSIG:
        return int(text)
    full = text if text.startswith("SIG") else f"SIG{text}"
    number = getattr(_names, full, None)
    if "_" in full or not isinstance(number, int):
        raise InvalidSpec(f"{name!a} is no signal: write a name such as SIGTERM, or a number")
    return number


def name_of(number: int) -> str:
    """The name of a signal, or its number as text when it has none."""
    names = (name for name in sorted(dir(_names)) if name.startswith("SIG") and "_" not in name)
    return next((name for name in names if getattr(_names, name) == number), str(number))


def ignored() -> tuple[int, ...]:
    """The numbers of the signals that this process ignores."""
    return tuple(number for number in range(1, NSIG) if getsignal(number) is SIG_IGN)
