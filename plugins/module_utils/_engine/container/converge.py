# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `container`: what is asked against what is there, as a plan; the same plan is printed by a check and applied by a run."""

from __future__ import annotations

from ..answer import Answer
from ..errors import Conflict, InvalidSpec, NotFound
from ..names import check_name
from ..paths import Paths
from ..plan import Plan, Step
from ..values import Value
from . import record as records
from .checking import check as check_spec
from .info import describe
from .normalise import normalise
from .record import Record
from .recover import recover
from .spec import Spec, differences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STATES = ("absent", "present", "started", "stopped", "paused")
_ALIVE = ("running", "paused")
_DEFAULTS = {
    "auto_remove": False,
    "read_only": False,
    "privileged": False,
    "userns_mode": "auto",
    "network_mode": "bridge",
}
# Two commands on one container settle in two rounds; more of them may need a few.
_ATTEMPTS = 10
_NOT_SPEC = ("state", "recreate", "restart", "name", "root")


class Actual(Value):
    """What is there: None and "absent", or the record, its status and the digest that its image's name has now."""

    record: Record | None = None
    status: str = "absent"
    digest: str = ""


def container(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Bring one container to `state`: absent, present, started (default), stopped or paused, as its other options say."""
    name = check_name(params.get("name"))
    if not check:
        recover(paths)
    plan = plan_container(paths, params) if check else _apply(paths, params, name)
    record = records.find_by_name(paths, name, anyhow=_goes(params))
    return Answer(
        changed=plan.changed,
        before=plan.before,
        after=plan.after,
        result={"container": describe(paths, record) if record and not record.is_wreck else None},
    )


def _apply(paths: Paths, params: Mapping[str, Any], name: str) -> Plan:
    """The plan that was carried out. When another command changed the container meanwhile, what is left is planned anew."""
    for left in reversed(range(_ATTEMPTS)):
        before, plan = observe(paths, name, anyhow=_goes(params)), plan_container(paths, params)
        try:
            plan.apply()
            return plan
        except (Conflict, NotFound):
            if not left or observe(paths, name, anyhow=_goes(params)) == before:
                raise
    return plan


def plan_container(paths: Paths, params: Mapping[str, Any]) -> Plan:
    """The plan of one container's params. NotFound for an image that is not there, InvalidSpec for what makes no sense."""
    state = params.get("state") or "started"
    if state not in STATES:
        raise InvalidSpec(f"state {state!a} is not known: use one of {', '.join(STATES)}")
    actual = observe(paths, check_name(params.get("name")), anyhow=_goes(params))
    if state == "absent":
        return _absent(paths, actual)
    wanted = _wanted(params, actual.record)
    digest = check_spec(paths, wanted).digest
    return plan(paths, wanted, state, actual.replace(digest=digest), recreate=bool(params.get("recreate")))


def _goes(params: Mapping[str, Any]) -> bool:
    return params.get("state") == "absent"


def observe(paths: Paths, name: str, *, anyhow: bool = False) -> Actual:
    """The container of that name as records and kernel have it; `anyhow` as in record.load."""
    record = records.find_by_name(paths, name, anyhow=anyhow)
    return Actual(record=record, status=record.state(paths).shown) if record else Actual()


def plan(paths: Paths, wanted: Spec, state: str, actual: Actual, *, recreate: bool) -> Plan:
    """Pure: `actual.digest` is what the image is now. The steps close over `paths` and run later."""
    record, status = actual.record, actual.status
    still = state == "paused" or (state == "present" and status == "paused")
    runs = state in ("started", "paused") or (state == "present" and status in _ALIVE)
    before, goal = _shown(actual), "paused" if still else "running"
    after = {**wanted.as_dict(), "image_digest": actual.digest, "state": goal if runs else _idle(state, actual)}
    rest = Step(what=f"pause container {wanted.name}", run=lambda: _acting().rest(paths, wanted.name))
    if record is None:
        step = Step(what=f"create container {wanted.name}", run=lambda: _acting().make(paths, wanted, run=runs))
        return Plan(before=before, after=after, steps=(step, rest) if still else (step,))
    changed = differences(wanted, record.spec)
    if recreate or record.image_digest != actual.digest or set(changed) - set(Spec._live):
        after["state"] = goal if runs else "created"
        step = Step(
            what=f"recreate container {wanted.name}", run=lambda: _acting().replace(paths, record, wanted, run=runs)
        )
        return Plan(before=before, after=after, steps=(step, rest) if still else (step,))
    steps = [*_changes(paths, record, wanted, changed), *_moves(paths, record, status, runs=runs, still=still)]
    if still and status != "paused":
        steps.append(rest)
    return Plan(before=before, after=after if steps else before, steps=tuple(steps))


def _changes(paths: Paths, record: Record, wanted: Spec, changed: tuple[str, ...]) -> tuple[Step, ...]:
    """What a container takes while it runs."""
    what = f"change {', '.join(changed)} of container {wanted.name}"
    return (Step(what=what, run=lambda: _acting().update(paths, record, wanted)),) if changed else ()


def _moves(paths: Paths, record: Record, status: str, *, runs: bool, still: bool) -> tuple[Step, ...]:
    name = record.name
    if runs and status not in _ALIVE:
        return (Step(what=f"start container {name}", run=lambda: _acting().begin(paths, record)),)
    if status == "paused" and runs and not still:
        return (Step(what=f"unpause container {name}", run=lambda: _acting().go_on(paths, name)),)
    if status in _ALIVE and not runs:
        return (Step(what=f"stop container {name}", run=lambda: _acting().end(paths, record)),)
    return ()


def _acting() -> Any:
    """What steps call; a plan without steps never pays for its imports."""
    from . import acting

    return acting


def _absent(paths: Paths, actual: Actual) -> Plan:
    record, after = actual.record, {"state": "absent"}
    if record is None:
        return Plan(before=after, after=after)
    return Plan(
        before=_shown(actual),
        after=after,
        steps=(Step(what=f"remove container {record.name}", run=lambda: _acting().take_away(paths, record)),),
    )


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
    if actual.record.is_wreck:
        return {"name": actual.record.name, "state": actual.status}
    return {**actual.record.spec.as_dict(), "image_digest": actual.record.image_digest, "state": actual.status}


def _idle(state: str, actual: Actual) -> str:
    """The status of a container that is not to run: one that never ran stays created."""
    if actual.record is None:
        return "created"
    return "exited" if state == "stopped" and actual.status in _ALIVE else actual.status
