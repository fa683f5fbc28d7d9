# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror that lies, breaks off or is gone in the middle costs a warning: the next has the rest, and nobody sees another's secret."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Refused
from ansible_collections.berth.containers.tests.kernel.house import House, a_house
from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    PASSWORD,
    USER,
    Authority,
    Faulty,
    Handler,
    an_image,
    serving,
)

LOGIN = {"registry_username": USER, "registry_password": PASSWORD}
IMAGE = an_image(b"first", os.urandom(3 << 20))
FIRST, SECOND = IMAGE.layers
CONFIG = next(iter(set(IMAGE.blobs) - {FIRST, SECOND}))
GOOD = IMAGE.blobs[SECOND]
BAD = GOOD[:1000] + bytes([GOOD[1000] ^ 1]) + GOOD[1001:]


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.fixture
def fresh(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with a_house(str(tmp_path / "root"), bootstrap=False) as house:
        yield house


@pytest.fixture
def three() -> Iterator[tuple[Faulty, Faulty, Faulty]]:
    """Two mirrors and the registry itself, all with the image."""
    with contextlib.ExitStack() as held:
        found = tuple(held.enter_context(serving(Faulty())) for _unused in range(3))
        for one in found:
            one.hold(IMAGE)
        yield found[0], found[1], found[2]


def wrong(handler: Handler) -> bool:
    return handler.say(200, BAD)


def wrong_and_cut(handler: Handler) -> bool:
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    if start:
        return handler.hang_up()
    return handler.say(200, BAD, cut=2 << 20)


def cut(handler: Handler) -> bool:
    start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    return handler.hang_up() if start else handler.say(200, GOOD, cut=2 << 20)


def longer(handler: Handler) -> bool:
    return handler.say(200, GOOD + b" ")


def endless(handler: Handler) -> bool:
    """More than was promised, in an answer that tells no length."""
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(GOOD + b" ")
    return True


def shorter(handler: Handler) -> bool:
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(GOOD[:-1])
    return True


def gone(handler: Handler) -> bool:
    return handler.say(404)


def ill(handler: Handler) -> bool:
    return handler.say(503)


def closed(handler: Handler) -> bool:
    return handler.hang_up()


FAULTS = [wrong, wrong_and_cut, cut, longer, endless, shorter, gone, ill, closed]


def only_for(digest: str, act: Callable[[Handler], bool]) -> Callable[[Handler], bool]:
    return lambda handler: act(handler) if handler.command == "GET" and handler.path.endswith(digest) else False


def pull(house: House, three: tuple[Faulty, Faulty, Faulty], *more: str) -> tuple[bool, tuple[str, ...]]:
    mirrors = [*(one.name for one in three[:2]), *more]
    made = house.ask("container_image", name=f"{three[2].name}/app:1", mirrors=mirrors, **LOGIN)
    assert (
        house.ask("container_image_info", name=[f"{three[2].name}/app:1"]).result["images"][0]["digest"] == IMAGE.digest
    )
    return made.changed, made.warnings


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_next_mirror_has_what_the_first_has_not(
    fresh: House, three: tuple[Faulty, Faulty, Faulty], fault: Callable[[Handler], bool]
) -> None:
    first, second, own = three
    first.fault = only_for(SECOND, fault)
    changed, warnings = pull(fresh, three)
    assert changed and len(warnings) == 1 and warnings[0].startswith(f"mirror {first.name} was passed over: ")
    assert first.count("GET", FIRST) == 1 and second.count("GET", FIRST) == 0, "what was right is kept"
    assert not own.asked
    # What came before a break is taken for right until it turns out wrong.
    starts = [one.headers.get("range") for one in second.asked if one.path.endswith(SECOND)]
    half = f"bytes={2 << 20}-"
    assert starts == {"cut": [half], "wrong_and_cut": [half, None]}.get(fault.__name__, starts[-1:])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_registry_itself_comes_last(
    fresh: House, three: tuple[Faulty, Faulty, Faulty], fault: Callable[[Handler], bool]
) -> None:
    first, second, own = three
    first.fault = second.fault = only_for(SECOND, fault)
    changed, warnings = pull(fresh, three)
    assert changed and [warning.split()[1] for warning in warnings] == [first.name, second.name]
    assert own.count("GET", SECOND) >= 1 and own.count("GET", FIRST) == own.count("GET", "/manifests/") == 0


@pytest.mark.parametrize("part", ["config", "manifest", "nobody"])
def test_documents(fresh: House, three: tuple[Faulty, Faulty, Faulty], part: str) -> None:
    first, second, own = three
    if part == "config":
        first.fault = only_for(CONFIG, lambda handler: handler.say(200, bytes(len(IMAGE.blobs[CONFIG]))))
    elif part == "manifest":
        first.fault = only_for("/manifests/1", ill)
    else:
        first.fault = lambda handler: handler.hang_up()
    changed, warnings = pull(fresh, three, "http://127.0.0.1:9")
    assert changed and len(warnings) == 1 and f"mirror {first.name} was passed over" in warnings[0]
    assert second.count("GET", SECOND) == (part != "config" or 1) and not own.asked
    assert not fresh.ask("container_image", name=f"{own.name}/app:1", mirrors=[first.name]).changed


def test_nobody_listens_at_the_mirrors(fresh: House, three: tuple[Faulty, Faulty, Faulty]) -> None:
    own = three[2]
    made = fresh.ask("container_image", name=f"{own.name}/app:1", mirrors=["http://127.0.0.1:9", "http://127.0.0.1:19"])
    assert made.changed and [warning.split()[1] for warning in made.warnings] == ["127.0.0.1:9", "127.0.0.1:19"]


def test_when_all_are_wrong_there_is_no_image(fresh: House, three: tuple[Faulty, Faulty, Faulty]) -> None:
    for one in three:
        one.fault = only_for(SECOND, wrong)
    with pytest.raises(Refused, match=SECOND[:19]):
        fresh.ask("container_image", name=f"{three[2].name}/app:1", mirrors=[one.name for one in three[:2]])
    assert three[2].count("GET", SECOND) == 1
    assert not fresh.ask("container_image_info").result["images"] and not os.listdir(fresh.paths.staging)


def test_each_has_its_own_secret(fresh: House, three: tuple[Faulty, Faulty, Faulty]) -> None:
    """Also where one goes on with what another began, and where the one leads to the other."""
    first, second, own = three
    for one, who in ((first, "reader"), (second, "other")):
        one.wants, one.challenge = (lambda given, who=who: given == basic(who, "x")), 'Basic realm="x"'
        access = {"registry": one.name, "username": who, "password": "x"}
        assert fresh.ask("container_registry_login", **access).changed
    own.wants, own.challenge = lambda given: given == basic(USER, PASSWORD), 'Basic realm="x"'
    first.fault = only_for(SECOND, cut)

    def lead(handler: Handler) -> bool:
        return handler.headers.get("Authorization") is not None and handler.say(
            307, Location=f"http://{own.name}/v2/app/blobs/{SECOND}"
        )

    second.fault = only_for(SECOND, lead)
    changed, warnings = pull(fresh, three)
    assert changed and len(warnings) == 2
    for one, secret in ((first, basic("reader", "x")), (second, basic("other", "x")), (own, basic(USER, PASSWORD))):
        shown = {item.headers["authorization"] for item in one.asked if "authorization" in item.headers}
        assert shown == {secret}


def test_a_mirror_is_not_shown_this_hosts_certificate(fresh: House, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    context = authority.context(client_certs=True)
    trust = {"ca_cert": authority.ca_cert, "client_cert": authority.cert, "client_key": authority.key}
    with serving(Faulty(), context) as mirror, serving(Faulty(), context) as own:
        mirror.hold(IMAGE)
        own.hold(IMAGE)
        made = fresh.ask("container_image", name=f"{own.name}/app:1", mirrors=[mirror.name], **trust)
        assert made.changed and not mirror.asked and f"mirror {mirror.name} was passed over" in made.warnings[0]
