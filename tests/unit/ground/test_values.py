# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen records: what dataclasses promise, kept."""

from __future__ import annotations

import pickle

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.plan import Plan, Step
from ansible_collections.berth.containers.plugins.module_utils._engine.values import Value, plain


class Point(Value):
    """Two numbers."""

    x: int
    y: int = 0


class Named(Point):
    """And a name."""

    name: str = ""
    parts: tuple[Point, ...] = ()


def test_fields_defaults_and_order() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert Named._fields == ("x", "y", "name", "parts")
    assert list(Named(x=1).as_dict()) == ["x", "y", "name", "parts"]
    assert repr(Point(x=1)) == "Point(x=1, y=0)"


def test_wrong_fields_are_type_errors() -> None:
    for bad in ({}, {"y": 1}, {"x": 1, "z": 2}):
        with pytest.raises(TypeError):
            Point(**bad)


def test_frozen() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    assert point.replace(x=2) == Point(x=2)
    assert point == Point(x=1)
    with pytest.raises(TypeError):
        point.replace(z=1)


def test_equality_is_by_class_and_value() -> None:
    assert Point(x=1) != Named(x=1)
    assert Point(x=1) != (1, 0)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2
    assert pickle.loads(pickle.dumps(Named(x=1, parts=(Point(x=2),)))) == Named(x=1, parts=(Point(x=2),))


def test_plain_is_what_json_can_hold() -> None:
    assert plain({"a": (Point(x=1), [Named(x=2)])}) == {
        "a": [{"x": 1, "y": 0}, [{"x": 2, "y": 0, "name": "", "parts": []}]]
    }


def test_a_plan_is_its_steps() -> None:
    done: list[str] = []
    assert not Plan(before={"a": 1}, after={"a": 1}).changed

    def fail() -> None:
        raise ValueError

    plan = Plan(
        before={},
        after={"a": 1},
        steps=(
            Step(what="one", run=lambda: done.append("one")),
            Step(what="two", run=fail),
            Step(what="three", run=lambda: done.append("three")),
        ),
    )
    assert plan.changed
    with pytest.raises(ValueError):
        plan.apply()
    assert done == ["one"]
