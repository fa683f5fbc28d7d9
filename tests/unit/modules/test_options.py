# SPDX-License-Identifier: GPL-3.0-or-later
"""An option is declared once: what a module takes, what it documents, what the engine knows and what a document may say agree."""

from __future__ import annotations

import importlib
import pathlib
from typing import Any

import pytest
import yaml

from ansible_collections.berth.containers.plugins.doc_fragments.attributes import ModuleDocFragment
from ansible_collections.berth.containers.plugins.module_utils._ansible.container_options import CONTAINER
from ansible_collections.berth.containers.plugins.module_utils._ansible.image_options import IMAGE
from ansible_collections.berth.containers.plugins.module_utils._engine.container.spec import Spec
from ansible_collections.berth.containers.plugins.plugin_utils.documents import schema

ROOT = pathlib.Path(__file__).parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
KEYS = ("type", "elements", "required", "default", "choices", "aliases")

# Of a container's options, those that are not part of what it is; of the engine's, those that only the command line has.
VERBS = {"state", "recreate"}
BY_HAND = {"tty", "interactive"}


class Captured(Exception):
    """Carries what a module gave to AnsibleModule."""


def argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    module = importlib.import_module(f"ansible_collections.berth.containers.plugins.modules.{name}")

    def capture(**given: Any) -> None:
        assert given["supports_check_mode"] is True
        raise Captured(given["argument_spec"])

    monkeypatch.setattr(module, "AnsibleModule", capture)
    with pytest.raises(Captured) as caught:
        module.main()
    options: dict[str, dict[str, Any]] = caught.value.args[0]
    return options


def documentation(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"ansible_collections.berth.containers.plugins.modules.{name}")
    text: dict[str, Any] = yaml.safe_load(module.DOCUMENTATION)
    for fragment in text["extends_documentation_fragment"]:
        kind = fragment.removeprefix("berth.containers.attributes").lstrip(".").upper() or "DOCUMENTATION"
        text["options"] = {**yaml.safe_load(getattr(ModuleDocFragment, kind))["options"], **text.get("options", {})}
    return text


@pytest.mark.parametrize("name", MODULES)
def test_the_documented_options_are_those_that_the_module_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, documented = argument_spec(name, monkeypatch), documentation(name)["options"]
    assert set(taken) == set(documented)
    for option, declared in taken.items():
        assert {key: declared[key] for key in KEYS if key in declared} == {
            key: documented[option][key] for key in KEYS if key in documented[option]
        }, option


@pytest.mark.parametrize("name", MODULES)
def test_every_module_reaches_the_host_through_the_one_action_plugin(name: str) -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert name in runtime["action_groups"]["containers"]
    if name != "engine":
        assert runtime["plugin_routing"]["modules"][name] == {"action_plugin": "berth.containers.engine"}


def test_the_engine_knows_every_option_of_a_container_and_no_other() -> None:
    assert set(CONTAINER) - VERBS == set(Spec._fields) - BY_HAND


@pytest.mark.parametrize(("kind", "options"), [("container", CONTAINER), ("image", IMAGE)])
def test_a_document_may_say_what_a_module_takes(kind: str, options: dict[str, dict[str, Any]]) -> None:
    properties = schema("environment")["$defs"][kind]["properties"]
    spellings = {name: option for option in options for name in (option, *options[option].get("aliases", ()))}
    on_the_controller_only = {"remote_src", "checksum"}
    assert set(properties) == set(spellings) - on_the_controller_only
    for name, option in spellings.items():
        if name in properties:
            assert properties[name] == properties[option], f"{name} is {option} by another name"
            if "choices" in options[option]:
                assert sorted(properties[name]["enum"]) == sorted(options[option]["choices"])
