# SPDX-License-Identifier: GPL-3.0-or-later
"""Several blobs at once: all of them, no more than a few together, and the first error when the others have ended."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.image import push
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.oci import Descriptor

BLOBS = tuple(
    Descriptor(media_type="application/x", digest=f"sha256:{number:064x}", size=number) for number in range(9)
)


def test_each_is_sent_once_and_a_few_together() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def send(blob: Descriptor) -> tuple[str, int]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return "sent", blob.size

    assert sorted(push._several(BLOBS, send)) == [("sent", blob.size) for blob in BLOBS]
    assert 1 < most <= push._AT_ONCE


def test_an_error_waits_for_the_others_and_stops_the_rest() -> None:
    ended: list[int] = []

    def send(blob: Descriptor) -> tuple[str, int]:
        if blob.size == 1:
            raise Refused("no")
        time.sleep(0.05)
        ended.append(blob.size)
        return "sent", blob.size

    with pytest.raises(Refused, match="no"):
        push._several(BLOBS, send)
    assert 0 < len(ended) < len(BLOBS) - 1
