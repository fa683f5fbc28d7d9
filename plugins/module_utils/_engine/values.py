# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen records with named, defaulted fields: what dataclasses give, without the 10 ms that importing them costs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    V = TypeVar("V", bound="Value")
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


_MISSING = object()


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Value:
    """Subclasses annotate their fields; a class attribute is the default. Instances compare, hash and print by value.

    Only keyword arguments; an unknown or missing one is a TypeError. `_live` names the fields that may differ
    without a restart (container specs only).
    """

    _fields: tuple[str, ...] = ()
    _live: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__") or getattr(cls, "__annotations__", {})
        inherited = cls.__mro__[1]._fields if issubclass(cls.__mro__[1], Value) else ()
        cls._fields = inherited + tuple(name for name in own if not name.startswith("_") and name not in inherited)

    def __init__(self, **given: Any) -> None:
        fields = self.__dict__
        for name in self._fields:
            value = given.pop(name, _MISSING)
            if value is _MISSING:
                value = getattr(type(self), name, _MISSING)
                if value is _MISSING:
                    raise TypeError(f"{type(self).__name__} needs {name}")
            fields[name] = value
        if given:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(given))}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, *(repr(self.__dict__[name]) for name in self._fields)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in self._fields)})"

    def replace(self: V, **changes: Any) -> V:
        """A copy with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    def as_dict(self) -> dict[str, Any]:
        """Fields in the order of their declaration; nested values become dictionaries, tuples become lists."""
        return {name: plain(self.__dict__[name]) for name in self._fields}


def plain(value: Any) -> Any:
    """`value` as JSON can hold it."""
    if isinstance(value, Value):
        return value.as_dict()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
