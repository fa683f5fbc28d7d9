# SPDX-License-Identifier: GPL-3.0-or-later
"""How much one TCP stream carries between two containers, from the host to one, and from outside through a published port."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from ..command import run
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench

SERVER, CLIENT = "bench-server", "bench-client"
INNER_PORT = 5201
FIRST_PORT = 15201
AMOUNT = "800M"
KINDS = ("container to container", "host to container", "outside to published port")


def measure(bench: Bench) -> Iterator[Row]:
    ports = {engine.name: FIRST_PORT + number for number, engine in enumerate(bench.engines)}
    addresses: dict[str, str] = {}

    def prepare(engine: Engine) -> None:
        publish = f"{bench.address}:{ports[engine.name]}:{INNER_PORT}"
        run(engine.run(BASE, ("/usr/bin/iperf3", "-s"), name=SERVER, network="bridge", publish=publish))
        run(engine.run(BASE, IDLE, name=CLIENT, network="bridge"))
        addresses[engine.name] = engine.address(SERVER)
        time.sleep(0.5)

    def take(engine: Engine, _index: int) -> tuple[float, ...]:
        to_container = ("-c", addresses[engine.name])
        to_port = ("-c", bench.address, "-p", str(ports[engine.name]))
        return (
            _stream(engine.exec(CLIENT, "/usr/bin/iperf3", *to_container)),
            _stream(["iperf3", *to_container]),
            _stream([*bench.outside, "iperf3", *to_port]),
        )

    with bench.trial() as trial:
        trial.each(prepare)
        trial.sample(bench.repeats(41, 5), take)
        for column, kind in enumerate(KINDS):
            yield trial.row(kind, "Gbit/s", Need(ratio=0.95, more_is_better=True), column=column)


def _stream(argv: list[str]) -> float:
    """Gbit/s at which AMOUNT arrived. Many short streams: a noisy second then falls on all engines, not on one."""
    said = json.loads(run([*argv, "-n", AMOUNT, "-J"], limit=30))
    bits: float = said["end"]["sum_received"]["bits_per_second"]
    return bits / 1e9
