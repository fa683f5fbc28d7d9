# SPDX-License-Identifier: GPL-3.0-or-later
"""What a status means to the user: the registry, the thing that was asked for, and the way out."""

from __future__ import annotations

from .. import jsontext
from ..errors import EngineError, NotFound, NotPermitted, Refused, Unreachable
from .auth import how_to_log_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .transport import Reply

_LONGEST = 160


def refusal(registry: str, what: str, reply: Reply, *, known: bool = False) -> EngineError:
    """The error for a reply that is none of those hoped for. `known`: credentials were shown. Reads and closes the reply."""
    said, status = _said(reply), reply.status
    thing = f"registry {registry}{f', {what}' if what else ''}"
    if status == 401 and not known:
        return NotPermitted(
            f"{thing}: a user and password are wanted, or there is no such repository{said}: {how_to_log_in(registry)}"
        )
    if status in (401, 403):
        return NotPermitted(f"{thing}: not permitted{said}: check the user's rights and the repository's name")
    if status == 404:
        return NotFound(f"{thing}: not found there{said}: check name and tag")
    if status == 429:
        wait = reply.header("Retry-After")[:40]
        return Unreachable(
            f"{thing}: too many requests{said}: wait{f' ({wait!a} is asked for)' if wait else ''} or log in"
        )
    if status >= 500:
        return Unreachable(f"{thing}: the registry fails with status {status}{said}: try again later")
    return Refused(f"{thing}: status {status}{said}")


def _said(reply: Reply) -> str:
    """The registry's own words (distribution spec, error codes), shortened and made harmless, with a blank and in brackets."""
    try:
        document = jsontext.loads(reply.body(1 << 16, "an error"))
    except (EngineError, ValueError, RecursionError):
        return ""
    finally:
        reply.close()
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    words = first.get("message") or first.get("code")
    return f" ({ascii(words[:_LONGEST])[1:-1]})" if isinstance(words, str) and words else ""
