# SPDX-License-Identifier: GPL-3.0-or-later
"""A blob's digest and file are right however much it is: little is hashed in place, much in a thread."""

from __future__ import annotations

import hashlib
import pathlib
import threading

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import digests
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import blobs


@pytest.mark.parametrize(("pieces", "length"), [(0, 0), (3, 1000), (1, 524_287), (1, 524_288), (90, 70_001)])
def test_digest_size_and_content(tmp_path: pathlib.Path, pieces: int, length: int) -> None:
    content = [bytes([number]) * length for number in range(pieces)]
    writer = blobs.BlobWriter(str(tmp_path / "blob"))
    for piece in content:
        writer.write(piece)
    assert (threading.active_count() > 1) == (pieces * length >= 524_288)
    data = b"".join(content)
    assert writer.finish() == (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
    assert (tmp_path / "blob").read_bytes() == data
    assert digests.light_sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()
    writer.close()
    assert threading.active_count() == 1
