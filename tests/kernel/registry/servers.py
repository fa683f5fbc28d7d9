# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries for tests: Debian's own on loopback with TLS, passwords or tokens, and one that does wrong when it is told to."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tarfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
USER, PASSWORD = "alice", "correct horse"
# bcrypt of PASSWORD: the only hash that docker-registry takes, and the standard library does not make.
HTPASSWD = "alice:$2y$05$3DRM/7rK.aKResEilzX6U.v5eGfcwGDV9oooiVugTjHm6iIeuCWkC"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Image(NamedTuple):
    """An image in memory: its manifest, and every blob by its digest."""

    manifest: bytes
    blobs: dict[str, bytes]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def layers(self) -> list[str]:
        return [item["digest"] for item in json.loads(self.manifest)["layers"]]


def an_image(*contents: bytes, architecture: str = "amd64") -> Image:
    """One layer for each of `contents`, a file each."""
    blobs, layers, diff_ids = {}, [], []
    for number, content in enumerate(contents):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            member = tarfile.TarInfo(f"file{number}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        blob = gzip.compress(tar.getvalue(), 1, mtime=0)
        diff_ids.append(digest_of(tar.getvalue()))
        blobs[digest_of(blob)] = blob
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        layers.append({"mediaType": kind, "digest": digest_of(blob), "size": len(blob)})
    config = json.dumps(
        {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": diff_ids}, "config": {}}
    ).encode()
    blobs[digest_of(config)] = config
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": layers,
    }
    return Image(json.dumps(manifest).encode(), blobs)


def an_index(images: dict[str, Image]) -> bytes:
    """An index of images by architecture."""
    entries = [
        {
            "mediaType": MANIFEST,
            "digest": image.digest,
            "size": len(image.manifest),
            "platform": {"os": "linux", "architecture": name},
        }
        for name, image in images.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]


class Faulty:
    """A registry that serves what it holds, unless `fault` (given each request) has dealt with it and says so.

    `asked` is every request there was. `wants` is the Authorization it insists on, `challenge` what it says then.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.asked: list[Asked] = []
        self.fault: Callable[[Handler], bool] = lambda _unused: False
        self.wants: Callable[[str], bool] = lambda _unused: True
        self.challenge = ""
        self.ranges = True
        self.name = ""

    def hold(self, image: Image, tag: str = "1") -> None:
        self.blobs.update(image.blobs)
        for key in (tag, image.digest):
            self.manifests[key] = (MANIFEST, image.manifest)

    def hold_index(self, images: dict[str, Image], tag: str = "1") -> None:
        for name, image in images.items():
            self.hold(image, name)
        data = an_index(images)
        for key in (tag, digest_of(data)):
            self.manifests[key] = (INDEX, data)

    def count(self, method: str, part: str = "") -> int:
        return len([one for one in self.asked if one.method == method and part in one.path])


class Handler(BaseHTTPRequestHandler):
    """One connection to a Faulty."""

    protocol_version = "HTTP/1.1"
    registry: Faulty

    def do_GET(self) -> None:
        self.registry.asked.append(
            Asked(self.command, self.path, {key.lower(): text for key, text in self.headers.items()})
        )
        if self.registry.fault(self):
            return
        if not self.registry.wants(self.headers.get("Authorization", "")):
            self.say(
                401,
                b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
                WWW_Authenticate=self.registry.challenge,
            )
            return
        kind, _slash, key = self.path.removeprefix("/v2/").rpartition("/")
        if kind.endswith("/manifests") and key in self.registry.manifests:
            media_type, data = self.registry.manifests[key]
            self.say(200, data, Content_Type=media_type, Docker_Content_Digest=digest_of(data))
        elif kind.endswith("/blobs") and key in self.registry.blobs:
            self.blob(self.registry.blobs[key])
        elif self.path == "/v2/":
            self.say(200, b"{}")
        else:
            self.say(404, b'{"errors":[{"code":"UNKNOWN","message":"unknown\\u001b[31m"}]}')

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def blob(self, data: bytes) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if self.registry.ranges else 0
        if start:
            self.say(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.say(200, data)

    def say(
        self, status: int, body: bytes = b"", *, length: int | None = None, cut: int | None = None, **headers: str
    ) -> bool:
        """An answer; `length` is what it claims, and after `cut` bytes the connection breaks. True, for faults to return."""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.hang_up()
        return True

    def hang_up(self) -> bool:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        return True

    def log_message(self, *_unused: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_unused: object) -> None:
        return  # the client's break is the client's affair


@contextlib.contextmanager
def serving(registry: Faulty, context: ssl.SSLContext | None = None) -> Iterator[Faulty]:
    """It listens on a free port of loopback; `registry.name` is host:port then."""
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"registry": registry}))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    registry.name = f"localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Authority:
    """A CA of the tests' own, its certificate for loopback, and the contexts that servers need."""

    def __init__(self, home: pathlib.Path) -> None:
        self.ca = trustme.CA()
        self.issued = self.ca.issue_cert("localhost", "127.0.0.1")
        self.ca_cert, self.cert, self.key = (str(home / name) for name in ("ca.pem", "cert.pem", "key.pem"))
        self.ca.cert_pem.write_to_path(self.ca_cert)
        self.issued.cert_chain_pems[0].write_to_path(self.cert)
        self.issued.private_key_pem.write_to_path(self.key)

    def context(self, *, client_certs: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issued.configure_cert(context)
        if client_certs:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context


class Tokens(Faulty):
    """A token server (distribution spec, token authentication): knows one user, and gives what docker-registry believes."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self.fault = self._give

    def _give(self, handler: Handler) -> bool:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        basic = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        given = handler.headers.get("Authorization")
        if given is not None and given != basic:
            handler.say(401)
            return True
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            allowed = [
                action for action in actions.split(",") if given or (action == "pull" and name.startswith("public/"))
            ]
            access.append({"type": kind, "name": name, "actions": allowed})
        handler.say(200, json.dumps({"token": self._sign(access, query["service"][0])}).encode())
        return True

    def _sign(self, access: list[dict[str, Any]], service: str) -> str:
        now = int(time.time())
        key = serialization.load_pem_private_key(self._authority.issued.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        der = ssl.PEM_cert_to_DER_cert(self._authority.issued.cert_chain_pems[0].bytes().decode())
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": "tests",
            "sub": "",
            "aud": service,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": "1",
            "access": access,
        }
        text = b".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        return (text + b"." + _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextlib.contextmanager
def docker_registry(
    home: pathlib.Path, authority: Authority | None = None, auth: dict[str, Any] | None = None
) -> Iterator[str]:
    """Debian's docker-registry on a free port of loopback; its host:port."""
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(home / "data")}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            **({"tls": {"certificate": authority.cert, "key": authority.key}} if authority else {}),
        },
        **({"auth": auth} if auth else {}),
    }
    (home / "config.yml").write_text(json.dumps(config))  # YAML takes JSON
    command = ["docker-registry", "serve", str(home / "config.yml")]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"]},
        )
    try:
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < end, (home / "log").read_text()
            time.sleep(0.02)
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.wait()


def htpasswd(home: pathlib.Path) -> dict[str, Any]:
    """docker-registry's settings for USER and PASSWORD."""
    (home / "htpasswd").write_text(f"{HTPASSWD}\n")
    return {"htpasswd": {"realm": "tests", "path": str(home / "htpasswd")}}


def skopeo(*words: str) -> str:
    """skopeo(1), which must succeed."""
    done = subprocess.run(
        ["skopeo", "--insecure-policy", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
