# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's docker-registry on loopback for as long as a figure needs it, with an image in it that looks like a Debian."""

from __future__ import annotations

import contextlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from .command import CommandFailed, run

ADDRESS = "127.0.0.1:5055"  # all engines take plain HTTP from loopback
IMAGE = f"{ADDRESS}/bench/debian:1"

_CONFIGURATION = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{data}"}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"}}
"""


@contextlib.contextmanager
def serve(home: Path) -> Iterator[None]:
    """The registry answers inside the `with`; its data lies below `home`."""
    home.mkdir(exist_ok=True)
    configuration = home / "registry.yml"
    configuration.write_text(_CONFIGURATION.format(data=home / "data", address=ADDRESS))
    with (home / "log").open("wb") as log:
        words = ["docker-registry", "serve", str(configuration)]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await(home / "log")
        yield
    finally:
        process.kill()
        process.wait()


def fill(layout: Path, reference: str = IMAGE) -> None:
    """Bring the one image of an OCI layout into the registry."""
    run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{reference}"], limit=300)


def _await(log: Path) -> None:
    for _attempt in range(100):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://{ADDRESS}/v2/", timeout=5).close()
            return
        time.sleep(0.1)
    raise CommandFailed(f"docker-registry did not come up: {log.read_text()[-1000:]}")
