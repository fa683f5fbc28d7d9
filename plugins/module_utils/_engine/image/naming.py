# SPDX-License-Identifier: GPL-3.0-or-later
"""What the index tells of an image beside its digest, its name and where it came from, and the lock of whoever changes that."""

from __future__ import annotations

from .. import jsontext
from ..digests import sha256
from ..locks import Lock
from ..storage import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor


def name_lock(paths: Paths, name: str) -> Lock:
    """Whoever makes an image holds this from looking to naming: two that want the same make it once."""
    return Lock(paths.locks, f"image-{sha256(name.encode())[7:23]}")


def source_of(descriptor: Descriptor | None) -> dict[str, Any]:
    """What was remembered; empty for an image that came otherwise."""
    text = layout.annotations_of(descriptor).get(layout.SOURCE) if descriptor else None
    try:
        found = jsontext.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def without_name(descriptor: Descriptor) -> Descriptor:
    """The same image, nameless: the index keeps it while a container needs it."""
    annotations = {key: value for key, value in layout.annotations_of(descriptor).items() if key != layout.NAME}
    return {**descriptor, "annotations": annotations}
