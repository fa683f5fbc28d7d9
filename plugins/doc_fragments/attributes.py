# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for every module: its attributes, its requirements and the option that moves the state."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments by their name: berth.containers.attributes, berth.containers.attributes.info, ..."""

    # A module that may change something.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    details:
      - The prediction is the plan that a real run carries out, so the two do not differ.
      - The engine itself is delivered in check mode too. It is a cache and no state, and nothing can be predicted without it.
  diff_mode:
    support: full
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  platform:
    support: full
    platforms: linux
    description: Target OS families that can be operated against.
"""

    # A module that only looks.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    details:
      - This module does not modify state.
  diff_mode:
    support: N/A
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    details:
      - This module does not modify state.
  idempotent:
    support: full
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    details:
      - This module does not modify state.
  platform:
    support: full
    platforms: linux
    description: Target OS families that can be operated against.
"""

    # Every module that asks the engine.
    ENGINE = r"""
options:
  root:
    description:
      - Where the engine keeps its state on the host.
      - A root other than V(/var/lib/berth) is a world of its own, with its own images, containers, network and copy of the engine.
      - The environment variable E(BERTH_ROOT) of the task is the default.
    type: path
  engine:
    description:
      - The digest of the engine that carries out the task, among those that are on the host.
      - The one that belongs to this version of the collection by default. It is delivered if need be.
    type: str
requirements:
  - python >= 3.9 on the host, and nothing else
  - Linux >= 5.12 on the host, and 5.19 for user namespaces
  - the user root on the host, for example by C(become)
  - pyroute2 and urllib3 2 on the controller, a urllib3 below 2.7 if a host has Python 3.9
notes:
  - The first task that touches a host sends the engine there, some 700 KiB. Later ones find it by its digest.
"""
