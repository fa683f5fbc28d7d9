# SPDX-License-Identifier: GPL-3.0-or-later
"""A single HEAD: what loads nothing of urllib3, and what leaves the matter to it."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Unreachable
from ansible_collections.berth.containers.plugins.module_utils._engine.registry import pools, transport
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import endpoint
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.tls import Trust

ENGINE = pathlib.Path(transport.__file__).parent.parent


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that is the path's last part, and leads from /302 to /200."""

    def do_HEAD(self) -> None:
        """A HEAD's answer."""
        status = int(self.path.rpartition("/")[2])
        if status == 0:
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Docker-Content-Digest", f"sha256:{status}")
        if status == 302:
            self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *_unused: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize(
    ("path", "status", "loaded"), [("/200", 200, False), ("/404", 404, False), ("/302", 200, False)]
)
def test_a_plain_answer_needs_no_urllib3(path: str, status: int, loaded: bool, tmp_path: pathlib.Path) -> None:
    (tmp_path / "berth_engine").symlink_to(ENGINE)
    with serving() as place:
        script = f"""
import sys; sys.path.append({str(tmp_path)!r})
from berth_engine.registry import endpoint, tls, transport
origin = endpoint.endpoint({place!r}, plain_http=True, option="name").origin
reply = transport.Transport(tls.Trust(), {{}}).ask(transport.Request(method="HEAD", origin=origin, path={path!r}))
reply.drain()
print(reply.status, reply.header("Docker-Content-Digest"), any(name.startswith("urllib3") for name in sys.modules))
"""
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout.split() == [str(status), f"sha256:{status}", str(loaded)]


def test_who_breaks_off_is_asked_again_by_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_door", None)
    with serving() as place, pytest.raises(Unreachable, match=r"the connection to 127\.0\.0\.1:\d+ broke"):
        ask(place, "/0")
    assert pools.is_open()


def test_a_proxy_is_left_to_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_door", None)
    with pytest.raises(Unreachable, match=r"the proxy for registry\.example does not answer"):
        ask("registry.example", "/200", {"http_proxy": "http://127.0.0.1:9"})


def test_who_does_not_answer_is_named_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_door", None)
    with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1:9"):
        ask("127.0.0.1:9", "/200")


def ask(place: str, path: str, environment: dict[str, str] | None = None) -> transport.Reply:
    origin = endpoint(place, plain_http=True, option="name").origin
    asking = transport.Transport(Trust(), environment or {}, sleep=lambda _seconds: None)
    return asking.ask(transport.Request(method="HEAD", origin=origin, path=path))
