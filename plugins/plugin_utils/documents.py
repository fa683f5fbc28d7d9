# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents are checked on the controller before any host is touched; every violation is a line with its place."""

from __future__ import annotations

import json
import os

from ansible.errors import AnsibleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas")
_LONGEST = 60
_WHOLE = "the document"


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind of document."""
    with open(os.path.join(_SCHEMAS, f"{kind}.json"), encoding="utf-8") as file:
        loaded: dict[str, Any] = json.load(file)
    return loaded


def violations(kind: str, document: object) -> list[str]:
    """One sentence for each fault of `document`, all of them, in the order of their places; empty when it is sound."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        raise AnsibleError(
            "berth.containers needs the Python package jsonschema on the controller: pip install jsonschema"
        ) from None
    faults = Draft202012Validator(schema(kind)).iter_errors(_plain(document))
    found = [line for fault in faults for line in _sentences(fault)]
    return sorted(found, key=_natural) + _repeated_names(document)


def _sentences(fault: Any) -> list[str]:
    place = _place(fault.absolute_path)
    if fault.validator == "additionalProperties":
        known = set(fault.schema.get("properties", ()))
        return [f"{place}: unknown option {name!a}" for name in sorted(set(fault.instance) - known)]
    if fault.validator == "required":
        return [f"{place}: {name} is missing" for name in fault.validator_value if name not in fault.instance]
    if fault.validator == "not":
        return [f"{place}: it has both {' and '.join(fault.validator_value['required'])}: leave one of them out"]
    wanted = fault.schema.get("description")
    if wanted:
        return [f"{place}: {_shown(fault.instance)} is not {wanted}"]
    return [f"{place}: {fault.message}"]


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _place(path: Any) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or _WHOLE


def _natural(line: str) -> list[tuple[int, str]]:
    place = line.partition(":")[0].replace(_WHOLE, "").replace("[", ".").replace("]", "")
    return [(int(part), "") if part.isdigit() else (-1, part) for part in place.split(".")]


def _repeated_names(document: object) -> list[str]:
    """Two entries of one name would undo each other at every run; a schema can't say so."""
    lines: list[str] = []
    for kind in ("images", "containers"):
        entries = document.get(kind) if isinstance(document, dict) else None
        first: dict[str, int] = {}
        for place, entry in enumerate(entries if isinstance(entries, list) else ()):
            name = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(name, str) and first.setdefault(name, place) != place:
                lines.append(f"{kind}[{place}].name: {name!a} is the name of {kind}[{first[name]}] already")
    return lines


def _plain(value: Any) -> Any:
    """`value` without Ansible's own kinds of text, list and dictionary, which jsonschema does not take for JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value
