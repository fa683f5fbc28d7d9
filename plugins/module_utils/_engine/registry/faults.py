# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on the way to a registry, in sentences that name the place and the way out."""

from __future__ import annotations

from ..errors import EngineError, Unreachable
from ..kernel import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .endpoint import Origin
    from .transport import Patience


class Broken(Unreachable):
    """The connection broke, or too little came: worth another try."""


class NoTLS(Unreachable):
    """Whoever listens there does not speak TLS."""


class NoConnection(Broken):
    """Nobody answers there: a second try is enough."""


def sentence(error: Exception, origin: Origin, patience: Patience, errors: Any) -> EngineError:
    """What to raise for an error of urllib3's, whose exceptions are in `errors`, or of the kernel's."""
    import ssl

    where = origin.netloc
    if isinstance(error, errors.ProxyError):
        return NoConnection(
            f"the proxy for {where} does not answer: {reason(error)}: check the environment's proxy variables"
        )
    if isinstance(error, errors.NameResolutionError):
        return NoConnection(f"the name {origin.host!a} can't be resolved: check it, and this host's DNS")
    if isinstance(error, errors.NewConnectionError):
        return NoConnection(f"no connection to {where}: {reason(error)}: is it running there?")
    if isinstance(error, errors.ConnectTimeoutError):
        return NoConnection(
            f"{where} did not take the connection within {patience.connect:g} s: check address and firewall"
        )
    if isinstance(error, errors.ReadTimeoutError):
        return broken(TimeoutError(), origin, patience)
    if isinstance(error, errors.SSLError):
        return tls_sentence(error.args[0] if error.args and isinstance(error.args[0], ssl.SSLError) else error, where)
    return broken(error, origin, patience)


def broken(error: Exception, origin: Origin, patience: Patience) -> Broken:
    """What to raise when a connection that was there brings nothing more."""
    if is_late(error):
        return Broken(f"{origin.netloc} did not answer within {patience.read:g} s")
    return Broken(f"the connection to {origin.netloc} broke: {reason(error)}")


def is_late(error: Exception) -> bool:
    """Whether the time to wait for something was over. Before Python 3.10 that is no TimeoutError."""
    return isinstance(error, (TimeoutError, sockets.timeout))


def is_distrust(error: Exception) -> bool:
    """Whether a certificate was not trusted."""
    import ssl

    return bool(error.args) and isinstance(error.args[0], ssl.SSLCertVerificationError)


def tls_sentence(error: Exception, where: str) -> EngineError:
    """What to raise for a fault of TLS: NoTLS when the other side does not speak it."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"{where} shows a certificate that is not trusted: {error.verify_message.rstrip('.')}: give its CA with ca_cert,"
            " or validate_certs: false to go without proof"
        )
    reason = str(getattr(error, "reason", "") or "")
    if "ALERT" in reason or "alert" in str(error):
        return Unreachable(
            f"{where} ends the TLS handshake with {reason or 'an alert'}: does it want client_cert and client_key?"
        )
    if isinstance(error, ssl.SSLEOFError):
        return Broken(f"{where} closed the connection within the TLS handshake")
    return NoTLS(f"{where} speaks no TLS: plain_http: true asks it without, if that is meant")


def reason(error: BaseException) -> str:
    """The kernel's or urllib3's own word for what went wrong, without objects' addresses."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        inner = [item for item in seen.args if isinstance(item, BaseException)]
        seen = inner[0] if inner else (seen.__cause__ or seen.__context__)
    return type(error).__name__
