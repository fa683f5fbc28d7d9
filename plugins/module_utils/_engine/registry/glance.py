# SPDX-License-Identifier: GPL-3.0-or-later
"""One HEAD by the standard library alone: whether anything has changed is often the only question, and urllib3 takes 40 ms to load.

Whatever is not a plain answer is left to urllib3, which asks again and knows what to say.
"""

from __future__ import annotations

from .. import packed
from .proxies import proxy_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Any, Callable

    from .endpoint import Origin


def glance(
    origin: Origin,
    path: str,
    headers: dict[str, str],
    *,
    context: Callable[[], ssl.SSLContext],
    environment: Mapping[str, str],
    seconds: float,
) -> Any:
    """The response to HEAD `path`, an http.client.HTTPResponse without a body, or None when there was none.

    A fault of TLS is raised as ssl.SSLError: it tells that the peer does not speak it. Redirects are not followed.
    """
    if proxy_for(origin, environment):
        return None
    packed.install_http()
    from http import client

    try:
        if origin.scheme == "https":
            connection: client.HTTPConnection = client.HTTPSConnection(
                origin.host, origin.port, timeout=seconds, context=context()
            )
        else:
            connection = client.HTTPConnection(origin.host, origin.port, timeout=seconds)
        connection.request("HEAD", path, headers=headers)
        response = connection.getresponse()
    except (client.HTTPException, OSError) as error:
        if type(error).__module__ == "ssl":
            raise
        return None
    # A HEAD has no body: the headers are all there is.
    connection.close()
    return response
