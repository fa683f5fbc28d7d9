# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to believe over TLS, and who we are there: from the user's options to a context of the standard library."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Callable


class Trust(Value):
    """Whom to believe over TLS and who we are there; paths of PEM files on this host. `ca_cert` is added to the host's own CAs."""

    validate_certs: bool = True
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


ALL, LAZY, NONE = "all", "lazy", "none"


def open_context(trust: Trust, host_cas: str = ALL) -> ssl.SSLContext:
    """TLS 1.2 or later. InvalidSpec for a file that is not there, or is no PEM of its kind.

    Reading all of the host's CAs takes 25 ms. LAZY looks them up one by one where they lie so, and may miss some that are
    in the host's one file only: who meets an unknown CA should ask again with ALL. NONE leaves them out.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    folder = _hashed_folder() if host_cas == LAZY else ""
    if folder:
        context.load_verify_locations(capath=folder)
    elif trust.validate_certs and host_cas != NONE:
        context.load_default_certs()
    if not trust.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.ca_cert:
        _load("ca_cert", trust.ca_cert, lambda path: context.load_verify_locations(cafile=path))
    if trust.client_cert:
        if trust.client_key:
            _load("client_key", trust.client_key, _check_readable)
        _load(
            "client_cert", trust.client_cert, lambda path: context.load_cert_chain(path, trust.client_key, lambda: b"")
        )
    elif trust.client_key:
        raise InvalidSpec("client_key needs client_cert: give both")
    return context


def _hashed_folder() -> str:
    """Where OpenSSL finds the host's CAs by the hash of their names; "" when there is no such folder, or the environment names another."""
    import ssl

    places = ssl.get_default_verify_paths()
    if places.openssl_cafile_env in os.environ or places.openssl_capath_env in os.environ:
        return ""
    try:
        names = os.listdir(places.openssl_capath)
    except OSError:
        return ""
    return places.openssl_capath if any(len(name) == 10 and name.endswith(".0") for name in names) else ""


def _check_readable(path: str) -> None:
    with open(path, "rb"):
        return


def _load(option: str, path: str, load: Callable[[str], object]) -> None:
    try:
        load(path)
    except OSError as error:  # ssl.SSLError is one
        reason = (
            os.strerror(error.errno)
            if isinstance(error.errno, int) and not hasattr(error, "reason")
            else "no usable PEM"
        )
        raise InvalidSpec(f"{option}: {path!a} can't be used: {reason}") from None
