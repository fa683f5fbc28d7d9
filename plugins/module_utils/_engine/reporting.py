# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a transfer is, as one line in a file below the run directory, for whoever asks from elsewhere while it goes on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from .answer import Answer
from .errors import InvalidSpec
from .progress import DONE, RUNNING, THERE
from .units import show_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .paths import Paths
    from .progress import Event

_EVERY = 0.5
_SAMPLES = 5
_LINE = 400


class Reporting:
    """`with Reporting(paths, token) as report:` gives a listener that keeps the line for `read`; afterwards there is none.

    A transfer never fails because nobody could be told of it. What a killed one leaves goes with the next.
    """

    def __init__(self, paths: Paths, token: str) -> None:
        self._path, self._file = _path(paths, token), -1
        self._image, self._events = ("", ""), dict[str, "Event"]()
        self._samples: list[tuple[float, int]] = []

    def __enter__(self) -> Reporting:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            _sweep(os.path.dirname(self._path))
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(self._file)
            self._file = -1

    def __call__(self, event: Event) -> None:
        if self._file < 0:
            return
        if (event.what, event.name) != self._image:
            self._image, self._events, self._samples = (event.what, event.name), {}, []
        self._events[event.digest] = event
        now = time.monotonic()
        if event.state == RUNNING and not event.step and self._samples and now - self._samples[-1][0] < _EVERY:
            return
        self._samples = [*self._samples, (now, self._moved())][-_SAMPLES:]
        with contextlib.suppress(OSError):
            # One write of one length: who reads meanwhile finds one line or the other.
            os.pwrite(self._file, self._line().encode("utf-8", "replace")[:_LINE].ljust(_LINE), 0)

    def _moved(self) -> int:
        return sum(_done(event) for event in self._events.values() if event.state != THERE)

    def _line(self) -> str:
        events = self._events.values()
        if steps := [event.step for event in events if event.step]:
            return f"{' '.join(self._image)}: {steps[-1]}"
        (begun, before), (now, moved) = self._samples[0], self._samples[-1]
        done, total = sum(map(_done, events)), sum(event.total for event in events)
        of = f" of {show_size(total)}" if all(event.total for event in events) else ""
        speed = f", {show_size(int((moved - before) / (now - begun)))}/s" if now > begun and moved > before else ""
        return f"{' '.join(self._image)}: {_count(self._image[0], self._events)}{show_size(done)}{of}{speed}"


def _count(what: str, events: dict[str, Event]) -> str:
    """How many blobs are through; the layer that is being made has no digest, and is the only one."""
    if "" in events:
        return ""
    through = len([event for event in events.values() if event.state in (DONE, THERE)])
    word = "blob" if what == "push" else "layer"
    return f"{through} of {len(events)} {word}{'' if len(events) == 1 else 's'}, "


def _done(event: Event) -> int:
    return event.total if event.state in (DONE, THERE) else event.done


def read(paths: Paths, token: object) -> str:
    """The line as it is now; "" before there is one and after the end."""
    try:
        with open(_path(paths, token), "rb") as file:
            return file.read(_LINE).decode("utf-8", "replace").rstrip()
    except OSError:
        return ""


def progress(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """The verb: how far the request is that was given the token `token`. The result: line, "" when there is nothing to tell."""
    del check
    return Answer(result={"line": read(paths, params.get("token"))})


def _path(paths: Paths, token: object) -> str:
    if not (isinstance(token, str) and 0 < len(token) <= 64 and token.isalnum() and token.isascii()):
        raise InvalidSpec(f"token {token!a} is none: letters and digits")
    return f"{paths.run}/progress/{token}"


def _sweep(directory: str) -> None:
    """Whoever writes a line holds its file."""
    for name in os.listdir(directory):
        with contextlib.suppress(OSError), open(f"{directory}/{name}", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(f"{directory}/{name}")
