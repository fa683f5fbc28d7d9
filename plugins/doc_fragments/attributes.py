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

    # A module that may speak with a registry.
    ACCESS = r"""
options:
  authfile:
    description:
      - The file with the credentials for registries on the host, as Docker, Podman and skopeo write and read it.
      - C($DOCKER_CONFIG/config.json) by default, else C(~/.docker/config.json).
    type: path
  validate_certs:
    description: Whether the registry must show a certificate that the host, or O(ca_cert), vouches for.
    type: bool
    default: true
  ca_cert:
    description: A file on the host with certificates of authorities that are believed beside the host's own, in PEM format.
    type: path
  client_cert:
    description: A file on the host with the certificate to show to the registry, in PEM format. The key may be in it, too.
    type: path
  client_key:
    description: A file on the host with the key for O(client_cert), in PEM format and without a passphrase.
    type: path
  plain_http:
    description:
      - Whether to speak HTTP without TLS. What goes over the net can then be read and changed by others.
      - A registry on the host itself, by a loopback address, needs no such permission.
    type: bool
    default: false
"""

    # A module that may need credentials besides.
    CREDENTIALS = r"""
options:
  registry_username:
    description:
      - Who is known to the registry. O(authfile) is asked by default.
      - Sent to the registry that the image's name says, and never to another one.
    type: str
  registry_password:
    description: The password or token of O(registry_username).
    type: str
"""
