# SPDX-License-Identifier: GPL-3.0-or-later
"""Import a flat tar, save an image of four layers, load it again."""

from __future__ import annotations

from collections.abc import Iterator

from ..command import clock, run
from ..debianlike import write_flat, write_layout
from ..engines import Engine
from ..report import Need, Row
from ..trial import Bench
from .pull import FILES, SIZE

IMAGE = "localhost/bench-debian:1"


def measure(bench: Bench) -> Iterator[Row]:
    files, size = bench.size(FILES, 2000), bench.size(SIZE, SIZE // 4)
    flat, layout, archive = (bench.scratch / name for name in ("flat.tar", "archived", "archive.tar"))
    write_flat(flat, files, size)
    write_layout(layout, files, size)
    run(["skopeo", "copy", "-q", f"oci:{layout}", f"docker-archive:{archive}:{IMAGE}"], limit=300)

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        imported = clock(engine.import_tar(flat, "bench-flat"), limit=300)[0]
        run(engine.remove_image("bench-flat"))
        loaded = clock(engine.load_archive(archive, IMAGE), limit=300)[0]
        saved = clock(engine.save(IMAGE, bench.scratch / "saved.tar"), limit=300)[0]
        (bench.scratch / "saved.tar").unlink()
        run(engine.remove_image(IMAGE))
        return imported, loaded, saved

    with bench.trial() as trial:
        trial.sample(bench.repeats(5, 2), take)
        yield trial.row("import of a flat tar", "ms", Need(ratio=1))
        yield trial.row("load of a docker-archive", "ms", Need(ratio=1), column=1)
        yield trial.row("save of four layers", "ms", Need(ratio=1), column=2)
