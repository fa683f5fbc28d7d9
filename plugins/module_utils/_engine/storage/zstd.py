# SPDX-License-Identifier: GPL-3.0-or-later
"""Zstandard frames as bytes: by Python's own module where it has one (3.14), else by the host's `zstd` program."""

from __future__ import annotations

import os

from ..errors import EngineError, MissingDependency, Refused
from .limits import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# What a frame may make its reader hold: 128 MiB, as the zstd program itself has it.
_WINDOW_LOG = 27


def unzstd(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The content of all frames. Refused when they are damaged or cut, MissingDependency when nothing here reads them."""
    try:
        module = __import__("compression.zstd", fromlist=["zstd"])
    except ImportError:
        return _by_program(blocks, name)
    return _by_module(module, blocks, name)


def _by_module(zstd: Any, blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    decoder, begun = zstd.ZstdDecompressor(options=options), False
    try:
        for data in blocks:
            while data or (begun and not decoder.needs_input and not decoder.eof):
                if decoder.eof:
                    decoder, begun = zstd.ZstdDecompressor(options=options), False
                begun = True
                yield decoder.decompress(data, MIB)
                data = decoder.unused_data if decoder.eof else b""
    except zstd.ZstdError as error:
        raise Refused(f"{name} is damaged zstd: {error}") from None
    if not decoder.eof:
        raise Refused(f"{name} is cut: its zstd data ends early")


def _by_program(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    import subprocess
    import threading

    try:
        child = subprocess.Popen(
            ["zstd", "-dcq", f"--long={_WINDOW_LOG}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        raise MissingDependency(f"{name} is compressed with zstd: install the package zstd on this host") from None
    feeder = _Feeder(blocks, child.stdin)
    thread = threading.Thread(target=feeder.run, daemon=True)
    thread.start()
    try:
        source = child.stdout.fileno() if child.stdout else -1
        while block := os.read(source, MIB):
            yield block
        thread.join()
        if feeder.error:
            raise feeder.error
        if child.wait():
            raise Refused(f"{name} is damaged or cut zstd")
    finally:
        child.kill()
        child.wait()
        thread.join()
        if child.stdout:
            child.stdout.close()


class _Feeder:
    """Gives the program its input beside the one that reads its output; the error of the input is kept for that one."""

    def __init__(self, blocks: Iterator[bytes], sink: Any) -> None:
        self._blocks, self._sink = blocks, sink
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self._sink:
                for block in self._blocks:
                    self._sink.write(block)
        except BrokenPipeError:
            return
        except (EngineError, OSError) as error:
            self.error = error
