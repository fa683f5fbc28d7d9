# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment's proxy variables, read as other tools read them."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import parse_url
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.proxies import proxy_for

PROXY = {"https_proxy": "http://proxy:3128", "HTTP_PROXY": "other:8080"}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://quay.io/", "http://proxy:3128"),
        ("http://quay.io/", "http://other:8080"),
        ("https://localhost:5000/", ""),
        ("http://127.0.0.1/", ""),
        ("https://[::1]/", ""),
    ],
)
def test_which_proxy(url: str, proxy: str) -> None:
    assert proxy_for(parse_url(url)[0], PROXY) == proxy


@pytest.mark.parametrize("exempt", ["*", "quay.io", ".quay.io", "*.quay.io", "a,  quay.io ", "QUAY.IO:443", "io"])
def test_exempt(exempt: str) -> None:
    assert proxy_for(parse_url("https://quay.io/")[0], {**PROXY, "no_proxy": exempt}) == ""


@pytest.mark.parametrize("exempt", ["uay.io", "quay.io:80", "x.quay.io", ",", "10.0.0.0/8", "::1"])
def test_not_exempt(exempt: str) -> None:
    assert proxy_for(parse_url("https://quay.io/")[0], {**PROXY, "NO_PROXY": exempt}) == PROXY["https_proxy"]


def test_networks() -> None:
    environment = {**PROXY, "no_proxy": "10.0.0.0/8,fd00::/8"}
    assert proxy_for(parse_url("https://10.1.2.3/")[0], environment) == ""
    assert proxy_for(parse_url("https://[fd00::1]/")[0], environment) == ""
    assert proxy_for(parse_url("https://11.1.2.3/")[0], environment) != ""
