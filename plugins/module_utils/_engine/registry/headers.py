# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer's headers say about where and when to ask again."""

from __future__ import annotations

from ..errors import Refused
from .endpoint import parse_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .endpoint import Origin


def resolve(origin: Origin, path: str, location: str) -> tuple[Origin, str]:
    """Where a Location header leads from there: absolute, or relative to that path (RFC 9110, 10.2.2). Refused."""
    try:
        return parse_url(_joined(origin, path, location))
    except ValueError as error:
        raise Refused(f"{origin.netloc} sends us to {location[:80]!a}: {error}") from None


def _joined(origin: Origin, path: str, location: str) -> str:
    if location.startswith(("http://", "https://")):
        return location
    if location.startswith("/") and not location.startswith("//") and "/." not in location:
        return f"{origin}{location}"
    # 2 ms to load, for what registries hardly ever say.
    from urllib.parse import urljoin

    return urljoin(f"{origin}{path}", location)


def retry_after(text: str, now: float) -> float | None:
    """The seconds to wait that a Retry-After header asks for, as a number or as a date; None when it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
