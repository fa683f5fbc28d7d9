# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals as plain numbers: the standard library's module makes enumerations of them, for 5 ms at every start."""

from __future__ import annotations

from ..errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _names
else:
    import _signal as _names

NSIG: int = _names.NSIG
SIG_SETMASK: int = _names.SIG_SETMASK
SIGALRM: int = _names.SIGALRM
SIGCHLD: int = _names.SIGCHLD
SIGCONT: int = _names.SIGCONT
SIGHUP: int = _names.SIGHUP
SIGINT: int = _names.SIGINT
SIGKILL: int = _names.SIGKILL
SIGPIPE: int = _names.SIGPIPE
SIGQUIT: int = _names.SIGQUIT
SIGTERM: int = _names.SIGTERM
SIGURG: int = _names.SIGURG
SIGUSR1: int = _names.SIGUSR1
SIGUSR2: int = _names.SIGUSR2
SIGWINCH: int = _names.SIGWINCH
SIG_DFL, SIG_IGN = _names.SIG_DFL, _names.SIG_IGN
getsignal, signal, set_wakeup_fd = _names.getsignal, _names.signal, _names.set_wakeup_fd
pthread_sigmask = _names.pthread_sigmask
ITIMER_REAL, setitimer = _names.ITIMER_REAL, _names.setitimer


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
