# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `container`: what is asked against what is there, as a plan; the same plan is printed by a check and applied by a run."""

from __future__ import annotations

import contextlib

from ..answer import Answer
from ..cgroup import group, hierarchy
from ..errors import InvalidSpec
from ..names import check_name
from ..paths import Paths
from ..plan import Plan, Step
from ..values import Value
from . import record as records
from .bundling import limits_of
from .create import check as check_spec
from .create import create
from .info import describe
from .normalise import normalise
from .record import Record
from .recover import end, recover, replacement
from .remove import remove
from .spec import Spec, differences
from .start import start
from .stop import stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STATES = ("absent", "present", "started", "stopped")
_DEFAULTS = {
    "auto_remove": False,
    "read_only": False,
    "privileged": False,
    "userns_mode": "auto",
    "network_mode": "bridge",
}
_NOT_SPEC = ("state", "recreate", "restart", "name", "root")


class Actual(Value):
    """What is there: None and "absent", or the record, its status and the digest that its image's name has now."""

    record: Record | None = None
    status: str = "absent"
    digest: str = ""


def container(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Bring one container to `state`: absent, present, started (default) or stopped, as its other options say."""
    name = check_name(params.get("name"))
    if not check:
        recover(paths)
    plan = plan_container(paths, params)
    if not check:
        plan.apply()
    record = records.find_by_name(paths, name)
    return Answer(
        changed=plan.changed,
        before=plan.before,
        after=plan.after,
        result={"container": describe(paths, record) if record else None},
    )


def plan_container(paths: Paths, params: Mapping[str, Any]) -> Plan:
    """The plan of one container's params. NotFound for an image that is not there, InvalidSpec for what makes no sense."""
    state = params.get("state") or "started"
    if state not in STATES:
        raise InvalidSpec(f"state {state!a} is not known: use one of {', '.join(STATES)}")
    actual = observe(paths, check_name(params.get("name")))
    if state == "absent":
        return _absent(paths, actual)
    wanted = _wanted(params, actual.record)
    digest = check_spec(paths, wanted).digest
    return plan(paths, wanted, state, actual.replace(digest=digest), recreate=bool(params.get("recreate")))


def observe(paths: Paths, name: str) -> Actual:
    """The container of that name as records and kernel have it."""
    record = records.find_by_name(paths, name)
    return Actual(record=record, status=record.state(paths).status) if record else Actual()


def plan(paths: Paths, wanted: Spec, state: str, actual: Actual, *, recreate: bool) -> Plan:
    """Pure: `actual.digest` is what the image is now. The steps close over `paths` and run later."""
    record, status = actual.record, actual.status
    before, runs = _shown(actual), state == "started" or (state == "present" and status == "running")
    after = {**wanted.as_dict(), "image_digest": actual.digest, "state": "running" if runs else _idle(state, actual)}
    if record is None:
        step = Step(what=f"create container {wanted.name}", run=lambda: _make(paths, wanted, run=runs))
        return Plan(before=before, after=after, steps=(step,))
    changed = differences(wanted, record.spec)
    if recreate or record.image_digest != actual.digest or set(changed) - set(Spec._live):
        after["state"] = "running" if runs else "created"
        step = Step(what=f"recreate container {wanted.name}", run=lambda: replace(paths, record, wanted, run=runs))
        return Plan(before=before, after=after, steps=(step,))
    steps = []
    if changed:
        steps.append(
            Step(
                what=f"change {', '.join(changed)} of container {wanted.name}",
                run=lambda: update(paths, record, wanted),
            )
        )
    if runs and status != "running":
        steps.append(
            Step(what=f"start container {wanted.name}", run=lambda: start(paths, records.load(paths, record.id)))
        )
    if state == "stopped" and status == "running":
        steps.append(
            Step(what=f"stop container {wanted.name}", run=lambda: stop(paths, (records.load(paths, record.id),)))
        )
    return Plan(before=before, after=after if steps else before, steps=tuple(steps))


def update(paths: Paths, record: Record, wanted: Spec) -> None:
    """Change live fields: the record first, then the limits of a container that runs."""
    with records.lock(paths, record):
        current = record.replace(spec=record.spec.replace(**{name: getattr(wanted, name) for name in Spec._live}))
        records.write(current, paths.container(record.id))
        if current.state(paths).status == "running":
            group.apply(hierarchy.mounted(), paths.cgroup, record.id, limits_of(current.spec))


def replace(paths: Paths, old: Record, wanted: Spec, *, run: bool) -> None:
    """Put a new container in the place of `old`. If it can't be started, the old one is put back as it was, and the error flies."""
    was_running = old.state(paths).status == "running"
    with replacement(paths, old) as note:
        stop(paths, (old,))
        try:
            _make(paths, wanted, run=run, instead_of=old.id)
        except BaseException:
            records.point(paths, old)
            end(paths, note)
            if was_running:
                start(paths, old)
            raise
        with contextlib.suppress(FileNotFoundError):
            remove(paths, old)
        end(paths, note)


def _make(paths: Paths, wanted: Spec, *, run: bool, instead_of: str = "") -> None:
    record = create(paths, wanted, instead_of=instead_of)
    if not run:
        return
    try:
        start(paths, record)
    except BaseException:
        remove(paths, record, force=True)
        raise


def _absent(paths: Paths, actual: Actual) -> Plan:
    record, after = actual.record, {"state": "absent"}
    if record is None:
        return Plan(before=after, after=after)

    def run() -> None:
        stop(paths, (record,))
        with contextlib.suppress(FileNotFoundError):
            remove(paths, record, force=True)

    return Plan(before=_shown(actual), after=after, steps=(Step(what=f"remove container {record.name}", run=run),))


def _wanted(params: Mapping[str, Any], record: Record | None) -> Spec:
    """The spec of the params; one that names nothing but the container keeps the spec that is there."""
    given = {key: value for key, value in params.items() if value is not None and key not in _NOT_SPEC}
    if record and not {key: value for key, value in given.items() if _DEFAULTS.get(key) != value}:
        return record.spec
    image = given.get("image") or (record.spec.image if record else None)
    return normalise({**given, "name": params.get("name"), "image": image})


def _shown(actual: Actual) -> dict[str, Any]:
    if actual.record is None:
        return {"state": "absent"}
    return {**actual.record.spec.as_dict(), "image_digest": actual.record.image_digest, "state": actual.status}


def _idle(state: str, actual: Actual) -> str:
    """The status of a container that is not to run: one that never ran stays created."""
    if actual.record is None:
        return "created"
    return "exited" if state == "stopped" and actual.status == "running" else actual.status
