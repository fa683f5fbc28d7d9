# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for containers that nobody named: two words that can be read out over the telephone."""

from __future__ import annotations

import os

_HOW = """able agile amber azure bold brave brisk bright calm candid clear clever coral cosy crisp curious dapper deft eager early
fair fleet frank fresh gentle glad golden grand hale happy hardy honest ivory jolly keen kind lively loyal lucid mellow merry
mild modest neat nimble noble olive patient plain polite prime proud quick quiet rapid ready rosy ruby sage sharp silver smart
snug solid spry steady still stout sunny swift tidy trim true upbeat vivid warm wise witty young zesty""".split()  # noqa: SIM905
_WHAT = """anchor anvil barge beacon birch bosun breeze brig buoy cabin canoe capstan cedar clipper coble comet compass coracle
cove cutter delta dhow dinghy dock dory ferry fjord frigate galley gannet gull harbour haven heron hull inlet island jetty
kayak keel ketch kelp lagoon lantern ledge lighter lugger marina mast mole moor oar otter packet pier pilot pinnace plover
pontoon port prow punt quay raft reef rudder sail schooner seal shoal skiff sloop spar tern tide tiller trawler tug wharf
whale wherry yacht yawl""".split()  # noqa: SIM905


def new_name() -> str:
    """Such as brisk-sloop-4f2: one of some four million by the kernel's random source; the caller makes sure that it is free."""
    number = int.from_bytes(os.urandom(6), "big")
    number, how = divmod(number, len(_HOW))
    number, what = divmod(number, len(_WHAT))
    return f"{_HOW[how]}-{_WHAT[what]}-{number % 4096:03x}"
