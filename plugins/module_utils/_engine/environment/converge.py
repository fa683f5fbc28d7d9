# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `environment`: images that are to be there, then all containers, then images that are not to be there."""

from __future__ import annotations

from ..answer import Answer
from ..container import record as records
from ..container.converge import observe, plan, plan_container
from ..container.info import describe
from ..container.normalise import normalise
from ..container.recover import recover
from ..errors import Conflict
from ..image.converge import container_image
from ..image.reference import parse
from ..image.resolve import resolve
from ..network import attach
from ..plan import Plan
from ..progress import silent
from .document import read
from .parallel import each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..paths import Paths
    from ..progress import Report
    from .document import Document, Entry


def environment(paths: Paths, params: dict[str, Any], *, check: bool, progress: Report = silent) -> Answer:
    """Converge `images` and `containers`, lists of what the verbs container_image and container take.

    The whole document is read before anything is done. The result has both lists in the order of the document; `before` and
    `after` have a dictionary for each, by name. When something fails, what came before it stays.
    """
    document = read(params)
    if not check:
        recover(paths)
    made = document.made()
    images = {_name(entry): container_image(paths, dict(entry), check=check, progress=progress) for entry in made}
    plans = _plans(paths, document, {name: answer.after["digest"] for name, answer in images.items()}, check=check)
    if not check:
        _apply(document, plans)
    images.update({_name(entry): _unmake(paths, entry, plans, check=check) for entry in document.unmade()})
    return _answer(paths, document, images, plans)


def _plans(paths: Paths, document: Document, digests: Mapping[str, str], *, check: bool) -> dict[str, Plan]:
    """One plan for each container. In check mode the images of the document are not made yet, only their digests are known."""
    return {
        entry["name"]: _predicted(paths, entry, digests) if check else plan_container(paths, entry)
        for wave in document.waves()
        for entry in wave
    }


def _predicted(paths: Paths, entry: Entry, digests: Mapping[str, str]) -> Plan:
    image, state = entry.get("image"), entry.get("state") or "started"
    digest = digests.get(parse(image).name) if image and state != "absent" else None
    if digest is None:
        return plan_container(paths, entry)
    actual = observe(paths, entry["name"]).replace(digest=digest)
    return plan(paths, normalise(entry), state, actual, recreate=bool(entry.get("recreate")))


def _apply(document: Document, plans: Mapping[str, Plan]) -> None:
    if any(item.changed for item in plans.values()):
        # Imported once, before the children share it.
        attach.warm()
    for wave in document.waves():
        each({entry["name"]: plans[entry["name"]].apply for entry in wave if plans[entry["name"]].changed})


def _unmake(paths: Paths, entry: Entry, plans: Mapping[str, Plan], *, check: bool) -> Answer:
    """Remove an image. In check mode the containers that will be gone by then are still there, and no reason to refuse."""
    try:
        return container_image(paths, dict(entry), check=check)
    except Conflict:
        digest = resolve(paths, entry["name"]).digest
        if not check or any(_still_uses(record, digest, plans) for record in records.every(paths)):
            raise
        return container_image(paths, {**entry, "force": True}, check=True)


def _still_uses(record: records.Record, digest: str, plans: Mapping[str, Plan]) -> bool:
    planned = plans.get(record.name)
    return (planned.after.get("image_digest") if planned else record.image_digest) == digest


def _name(entry: Entry) -> str:
    return parse(entry["name"]).name


def _answer(paths: Paths, document: Document, images: Mapping[str, Answer], plans: Mapping[str, Plan]) -> Answer:
    found = [records.find_by_name(paths, entry["name"]) for entry in document.containers]
    return Answer(
        changed=any(answer.changed for answer in images.values()) or any(item.changed for item in plans.values()),
        before={
            "images": {name: answer.before for name, answer in images.items()},
            "containers": {name: item.before for name, item in plans.items()},
        },
        after={
            "images": {name: answer.after for name, answer in images.items()},
            "containers": {name: item.after for name, item in plans.items()},
        },
        result={
            "images": [images[_name(entry)].result["image"] for entry in document.images],
            "containers": [describe(paths, record) if record else None for record in found],
        },
        warnings=tuple(warning for answer in images.values() for warning in answer.warnings),
    )
