# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of commands that speak with registries, and who is told how far they are: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import time

from ..progress import DONE, RUNNING, THERE, WAITING
from . import say, showing, terminal
from .options import Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..progress import Event, Report
    from .options import Given

REGISTRY = (
    Option("--authfile", "where passwords are kept, $DOCKER_CONFIG/config.json unless told", "FILE"),
    Option("--ca-cert", "certificates of authorities to trust instead of the system's", "FILE"),
    Option("--cert", "this host's certificate", "FILE"),
    Option("--creds", "for this once; others on this host can see it there, so rather berth login", "USER:PASSWORD"),
    Option("--key", "the key of --cert", "FILE"),
    Option("--plain-http", "speak without TLS"),
    Option("--tls-verify", "=false: take any certificate"),
)
_WORDS = {WAITING: "Waiting", RUNNING: "Running", THERE: "Already there", DONE: "Complete"}
_EVERY = 0.1
_BAR = 24


def access(given: Given) -> dict[str, Any]:
    """The options as the engine's verbs name them."""
    user, colon, password = (given.text("creds") or "").partition(":")
    if user and not colon:
        raise UsageError("--creds is USER:PASSWORD")
    path = {option: given.text(option) for option in ("authfile", "ca-cert", "cert", "key")}
    files = {option: os.path.abspath(value) if value else None for option, value in path.items()}
    return {
        "authfile": files["authfile"],
        "ca_cert": files["ca-cert"],
        "client_cert": files["cert"],
        "client_key": files["key"],
        "registry_username": user or None,
        "registry_password": password if user else None,
        "plain_http": given.flag("plain-http"),
        "validate_certs": given.flag("tls-verify") if given.text("tls-verify") else None,
    }


def listener(*, quiet: bool) -> Report:
    """Whom to give to a verb as `progress`; on standard error, for standard output is the answer's."""
    if quiet:
        return lambda event: None
    return Bars() if os.isatty(2) else Lines()


def _called(event: Event) -> str:
    """What is being made has no digest yet."""
    return showing.short_id(event.digest) or event.name


class Lines:
    """A line for each blob when it comes to its end, and none in between."""

    def __call__(self, event: Event) -> None:
        if event.state in (THERE, DONE):
            say.out(f"{_called(event)}: {_WORDS[event.state]} {showing.size(event.total)}\n".encode(), 2)


class Bars:
    """A line for each blob that is drawn again as it grows; what is above the screen's edge stays as it was."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self._begun: dict[str, float] = {}
        self._drawn, self._last = 0, 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        self._events[event.digest] = event
        if event.state == RUNNING and not event.step:
            self._begun.setdefault(event.digest, now)
            if now - self._last < _EVERY:
                return
        self._last = now
        self._draw(now)

    def _draw(self, now: float) -> None:
        rows, columns = terminal.size(2)
        rows, columns = rows or 24, columns or 80
        shown = list(self._events.values())[-(rows - 1) :]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        lines = "".join(f"\r{self._line(event, now)[: columns - 1]}\x1b[K\n" for event in shown)
        self._drawn = len(shown)
        say.out(f"{up}{lines}".encode(), 2)

    def _line(self, event: Event, now: float) -> str:
        ident = _called(event)
        if event.step:
            return f"{ident}: {event.step}"
        if event.state != RUNNING:
            return f"{ident}: {_WORDS[event.state]} {showing.size(event.total or event.done)}"
        speed = f"{showing.size(int(event.done / max(now - self._begun[event.digest], 0.05)))}/s"
        if not event.total:
            return f"{ident}: {_WORDS[event.state]} {showing.size(event.done)} {speed}"
        filled = _BAR * min(event.done, event.total) // event.total
        gauge = f"{'=' * filled}{'>' if filled < _BAR else ''}".ljust(_BAR)
        return f"{ident}: [{gauge}] {showing.size(event.done)}/{showing.size(event.total)} {speed}"
