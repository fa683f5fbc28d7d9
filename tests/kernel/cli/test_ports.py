# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports by hand; the host is a network namespace of its own, so that nothing of the real one changes."""

from __future__ import annotations

import json
import subprocess
import sys

from .conftest import PATIENCE, Berth

SERVER = "echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
SCRIPT = """
ip link set lo up
{berth} run -d --name web -p 80 -p 127.0.0.1:18081:81 base sh -c '{server}' >&2
{berth} port web
{berth} ps >&2
{berth} ps --format json
for _ in 1 2 3 4 5 6 7 8 9 10; do {berth} exec web wget -qO- http://web/ >/dev/null 2>&1 && break; sleep 0.2; done
port=$({berth} port web | sed -n 's/^80.*://p')
{python} -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:$port/', timeout=5).read().decode(), end='')"
{berth} rm -f web >&2
"""


def test_published_ports(berth: Berth) -> None:
    script = SCRIPT.format(berth=berth.program, server=SERVER, python=sys.executable)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-euc", script], env=berth.env, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("80/tcp -> 0.0.0.0:")
    assert lines[1] == "81/tcp -> 127.0.0.1:18081"
    number = int(lines[0].rpartition(":")[2])
    assert lines[-1] == "served"
    (shown,) = json.loads("".join(lines[2:-1]))
    assert {(port["host_port"], port["container_port"]) for port in shown["ports"]} == {(number, 80), (18081, 81)}
    assert f"0.0.0.0:{number}->80/tcp, 127.0.0.1:18081->81/tcp".encode() in done.stderr
