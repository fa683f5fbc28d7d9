# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull, push and login at Debian's docker-registry: check mode is exact, a second run changes nothing, other tools agree."""

from __future__ import annotations

import json
import os
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.answer import Answer
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Damaged,
    InvalidSpec,
    NotFound,
    NotPermitted,
    Refused,
    Unreachable,
)
from ansible_collections.berth.containers.tests.kernel.house import House, a_house
from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    PASSWORD,
    USER,
    Authority,
    Faulty,
    Tokens,
    an_image,
    an_index,
    digest_of,
    docker_registry,
    htpasswd,
    serving,
    skopeo,
)

LOGIN = {"registry_username": USER, "registry_password": PASSWORD}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry without TLS or passwords."""
    with docker_registry(tmp_path_factory.mktemp("plain") / "registry") as name:
        yield name


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[str]:
    """A registry with TLS that knows one user."""
    home = tmp_path_factory.mktemp("locked")
    with docker_registry(home / "registry", authority, htpasswd(home)) as name:
        yield name


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A root that has the image `base`, which the tests push from."""
    with a_house(str(tmp_path_factory.mktemp("base") / "root")) as house:
        yield house


@pytest.fixture
def fresh(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """An empty root, and no auth file but the tests' own."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with a_house(str(tmp_path / "root"), bootstrap=False) as house:
        yield house


def tree(root: str) -> dict[str, object]:
    """Everything below a root, with contents and times."""
    found: dict[str, object] = {}
    for directory, _unused, files in os.walk(root):
        for name in files:
            path = f"{directory}/{name}"
            found[path] = (
                os.lstat(path).st_mtime_ns,
                pathlib.Path(path).read_bytes() if not os.path.islink(path) else os.readlink(path),
            )
    return found


def converge(house: House, verb: str, **params: Any) -> Answer:
    """Check, run, run again, check again: the prediction is exact, and the second run changes nothing."""
    before = tree(house.paths.root)
    predicted = house.ask(verb, check=True, **params)
    assert tree(house.paths.root) == before
    made = house.ask(verb, **params)
    assert (predicted.changed, predicted.before, predicted.after) == (made.changed, made.before, made.after)
    for check in (False, True):
        again = house.ask(verb, check=check, **params)
        assert (again.changed, again.before, again.after) == (False, made.after, made.after)
    return made


def test_there_and_back_with_tls_and_a_password(
    base: House, fresh: House, locked: str, authority: Authority, tmp_path: pathlib.Path
) -> None:
    name, access = f"{locked}/app:1", {"ca_cert": authority.ca_cert, **LOGIN}
    pushed = converge(base, "container_image_push", name="base", destination=name, **access)
    assert pushed.changed and pushed.before == {"name": name, "state": "absent"}
    (image,) = base.ask("container_image_info", name=["base"]).result["images"]
    assert pushed.after == {"name": name, "state": "present", "digest": image["digest"]}
    # skopeo sees what we pushed, byte for byte.
    os.link(authority.ca_cert, tmp_path / "ca.crt")
    seen = json.loads(skopeo("inspect", f"--cert-dir={tmp_path}", f"--creds={USER}:{PASSWORD}", f"docker://{name}"))
    assert seen["Digest"] == image["digest"]
    pulled = converge(fresh, "container_image", name=name, pull="always", **access)
    assert pulled.changed and pulled.result["image"]["digest"] == image["digest"]
    assert fresh.run(["cat", "/etc/passwd"], image=name).out.startswith("root:")


def test_without_a_password_or_trust(fresh: House, locked: str, authority: Authority) -> None:
    for params, error, words in (
        ({}, Unreachable, "ca_cert"),
        ({"validate_certs": False}, NotPermitted, f"berth login {locked}"),
        ({"ca_cert": authority.ca_cert, **LOGIN, "registry_password": "wrong-one"}, NotPermitted, locked),
        ({"ca_cert": authority.ca_cert, "registry_username": USER}, InvalidSpec, "both"),
    ):
        for check in (True, False):
            with pytest.raises(error, match=words) as caught:
                fresh.ask("container_image", check=check, name=f"{locked}/app:1", **params)
            assert "wrong-one" not in str(caught.value)


def test_login_opens_for_later_tasks_and_other_tools(
    base: House, fresh: House, locked: str, authority: Authority, tmp_path: pathlib.Path
) -> None:
    trust = {"ca_cert": authority.ca_cert}
    base.ask("container_image_push", name="base", destination=f"{locked}/login:1", **trust, **LOGIN)
    who = {"registry": locked, "username": USER, "password": PASSWORD, **trust}
    with pytest.raises(NotPermitted):
        fresh.ask("container_registry_login", **{**who, "password": "wrong"})
    assert not (tmp_path / "docker").exists()
    made = converge(fresh, "container_registry_login", **who)
    assert made.after == {"registry": locked, "state": "present", "username": USER} and PASSWORD not in repr(made)
    assert os.stat(tmp_path / "docker/config.json").st_mode & 0o777 == 0o600
    assert fresh.ask("container_image", name=f"{locked}/login:1", **trust).changed
    os.link(authority.ca_cert, tmp_path / "ca.crt")
    skopeo(
        "inspect", f"--cert-dir={tmp_path}", f"--authfile={tmp_path}/docker/config.json", f"docker://{locked}/login:1"
    )
    assert converge(fresh, "container_registry_login", registry=locked, state="absent").changed
    with pytest.raises(NotPermitted):
        fresh.ask("container_image", name=f"{locked}/login:1", pull="always", **trust)


def test_tokens(base: House, fresh: House, authority: Authority, tmp_path: pathlib.Path) -> None:
    tokens = Tokens(authority)
    with serving(tokens, authority.context()):
        auth = {
            "token": {
                "realm": f"https://{tokens.name}/token",
                "service": "tests",
                "issuer": "tests",
                "rootcertbundle": authority.ca_cert,
            }
        }
        with docker_registry(tmp_path / "registry", authority, auth) as name:
            trust = {"ca_cert": authority.ca_cert}
            for repository in ("public/a", "private/b"):
                made = converge(
                    base, "container_image_push", name="base", destination=f"{name}/{repository}:1", **trust, **LOGIN
                )
                assert made.changed
            # One token for all that a fresh command asks of one repository.
            before = len(tokens.asked)
            assert fresh.ask("container_image", name=f"{name}/public/a:1", **trust).changed
            assert len(tokens.asked) == before + 1
            assert "authorization" not in tokens.asked[-1].headers
            with pytest.raises(NotPermitted, match="private/b"):
                fresh.ask("container_image", name=f"{name}/private/b:1", **trust)
            assert fresh.ask("container_image", name=f"{name}/private/b:1", **trust, **LOGIN).changed
            with pytest.raises(NotPermitted):
                fresh.ask("container_image_push", name=f"{name}/public/a:1", destination=f"{name}/public/c:1", **trust)


def test_a_tag_that_moved_is_a_change(fresh: House, plain: str) -> None:
    with_two = an_image(b"one", b"two")
    name = f"{plain}/moves:1"
    hold(plain, "moves", an_image(b"one"), fresh)
    first = converge(fresh, "container_image", name=name)
    hold(plain, "moves", with_two, fresh)
    assert not fresh.ask("container_image", name=name).changed
    second = converge(fresh, "container_image", name=name, pull="always")
    assert second.changed and second.before == first.after
    assert second.result["image"]["digest"] == with_two.digest


def hold(registry: str, repository: str, image: Any, house: House, tag: str = "1") -> None:
    """Have skopeo fill the registry from an OCI layout."""
    home = pathlib.Path(house.paths.root).parent / f"layout-{os.urandom(4).hex()}"
    (home / "blobs/sha256").mkdir(parents=True)
    for digest, data in {**image.blobs, image.digest: image.manifest}.items():
        (home / "blobs/sha256" / digest[7:]).write_bytes(data)
    (home / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    kind = "application/vnd.oci.image.manifest.v1+json"
    entry = {"mediaType": kind, "digest": image.digest, "size": len(image.manifest)}
    (home / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    skopeo("copy", "-q", "--dest-tls-verify=false", f"oci:{home}", f"docker://{registry}/{repository}:{tag}")


def test_digests(fresh: House, plain: str) -> None:
    image, other = an_image(b"d1"), an_image(b"d2")
    hold(plain, "digests", image, fresh)
    hold(plain, "digests", other, fresh, "2")
    by_digest = f"{plain}/digests@{image.digest}"
    made = converge(fresh, "container_image", name=by_digest, pull="always")
    assert made.result["image"]["name"] == by_digest and made.result["image"]["digest"] == image.digest
    # The tag is a name, the digest is what counts.
    both = converge(fresh, "container_image", name=f"{plain}/digests:2@{image.digest}")
    assert both.result["image"]["name"] == f"{plain}/digests:2" and both.result["image"]["digest"] == image.digest
    moved = converge(fresh, "container_image", name=f"{plain}/digests:2@{other.digest}")
    assert moved.changed and moved.result["image"]["digest"] == other.digest
    with pytest.raises(NotFound, match="not found there"):
        fresh.ask("container_image", name=f"{plain}/digests@{digest_of(b'')}")
    for name in (by_digest, f"{plain}/digests:2"):
        assert converge(fresh, "container_image", name=name, state="absent").changed


def test_platforms(fresh: House) -> None:
    images = {name: an_image(name.encode(), architecture=name) for name in ("amd64", "arm64", "s390x")}
    with serving(Faulty()) as registry:
        registry.hold_index(images)
        name, index = f"{registry.name}/many:1", digest_of(an_index(images))
        ours = converge(fresh, "container_image", name=name, platform="linux/amd64")
        assert ours.result["image"]["digest"] == images["amd64"].digest
        asked = len(registry.asked)
        assert not fresh.ask("container_image", name=name, pull="always", platform="linux/amd64").changed
        assert [one.method for one in registry.asked[asked:]] == ["HEAD"]
        theirs = converge(fresh, "container_image", name=name, platform="linux/arm64")
        assert theirs.changed and theirs.result["image"]["digest"] == images["arm64"].digest
        by_index = f"{registry.name}/many@{index}"
        assert converge(fresh, "container_image", name=by_index, platform="arm64").changed
        (found,) = fresh.ask("container_image_info", name=[by_index]).result["images"]
        assert found["digest"] == images["arm64"].digest
        with pytest.raises(NotFound, match=r"s390x"):
            fresh.ask("container_image", name=name, platform="linux/riscv64")


def test_what_is_there_asks_nobody(fresh: House) -> None:
    with serving(Faulty()) as registry:
        registry.hold(an_image(b"there"))
        name = f"{registry.name}/there:1"
        with pytest.raises(NotFound, match="berth pull"):
            fresh.ask("container_image", name=name, pull="never")
        assert not registry.asked
        made = converge(fresh, "container_image", name=name)
        asked = len(registry.asked)
        for policy in ("missing", "never"):
            assert converge(fresh, "container_image", name=name, pull=policy).changed is False
        assert len(registry.asked) == asked
        # A blob that is gone is fetched again, and only that.
        blob = f"{fresh.paths.root}/blobs/sha256/{json.loads(registry.manifests['1'][1])['layers'][0]['digest'][7:]}"
        os.unlink(blob)
        with pytest.raises(Damaged):
            fresh.ask("container_image", name=name, pull="never")
        again = fresh.ask("container_image", name=name)
        assert again.changed and again.after == made.after and os.path.exists(blob)


def test_pushing_skips_mounts_and_sends(base: House, plain: str, tmp_path: pathlib.Path) -> None:
    base.ask("container_image_push", name="base", destination=f"{plain}/one:1")
    base.ask("container_image", name="base", pull="never")
    first = f"{plain}/one:1"
    assert base.ask("container_image", name=first).changed
    moved = base.ask("container_image_push", name=first, destination=f"{plain}/two:1").result
    assert moved["mounted"] == 1 and moved["sent"] < 10_000
    again = base.ask("container_image_push", name=first, destination=f"{plain}/two:2").result
    assert again["there"] == 2 and again["sent"] == again["mounted"] == 0
    base.ask("container_image", name=first, state="absent")


def test_a_blob_that_dedupe_took_away_is_pushed(base: House, fresh: House, tmp_path: pathlib.Path) -> None:
    assert base.ask("container_image_dedupe").result["derived"]["files"] >= 1
    with docker_registry(tmp_path / "registry") as empty:
        pushed = base.ask("container_image_push", name="base", destination=f"{empty}/derived:1").result
        assert (pushed["there"], pushed["sent"] > 1 << 20) == (0, True)
        pulled = fresh.ask("container_image", name=f"{empty}/derived:1").result["image"]
    assert pulled["digest"] == pushed["digest"]
    assert fresh.ask("system_check").result["problems"] == []
    assert base.ask("container_image_dedupe", blobs="restore").changed


def test_pushing_in_chunks(base: House, fresh: House) -> None:
    """Where what stands before a registry takes no large bodies."""
    got: dict[str, bytes] = {}
    uploads: list[bytearray] = []  # several go on at once
    with serving(Faulty()) as registry:

        def fault(handler: Any) -> bool:
            body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
            number = handler.path.partition("/uploads/")[2].partition("?")[0]
            if handler.command == "POST":
                uploads.append(bytearray())
                handler.say(202, Location=f"/v2/chunks/blobs/uploads/{len(uploads) - 1}?state=1")
            elif handler.command == "PUT" and number:
                if body:
                    handler.say(413)
                else:
                    got[handler.path.rpartition("digest=")[2]] = bytes(uploads[int(number)])
                    handler.say(201)
            elif handler.command == "PATCH":
                sent = uploads[int(number)]
                assert handler.headers["Content-Range"] == f"{len(sent)}-{len(sent) + len(body) - 1}"
                sent.extend(body)
                handler.say(202, Location=handler.path)
            elif handler.command == "PUT":
                handler.say(201)
            else:
                return False
            return True

        registry.fault = fault
        made = base.ask("container_image_push", name="base", destination=f"{registry.name}/chunks:1")
    assert len(got) == 2 and all(digest_of(data) == digest for digest, data in got.items())
    assert made.result["sent"] == sum(map(len, got.values()))


def test_pushing_what_is_not_there(base: House, plain: str) -> None:
    with pytest.raises(NotFound):
        base.ask("container_image_push", name="nobody")
    with pytest.raises(InvalidSpec, match="digest"):
        base.ask("container_image_push", name="base", destination=f"{plain}/x@{digest_of(b'')}")


def test_mirrors_come_first_and_are_passed_over(fresh: House, plain: str) -> None:
    image = an_image(b"m1", b"m2")
    hold(plain, "mirrored", image, fresh)
    with serving(Faulty()) as mirror, serving(Faulty()) as own:
        mirror.hold(image)
        own.hold(image)
        made = converge(
            fresh, "container_image", name=f"{own.name}/mirrored:1", mirrors=[mirror.name, "http://127.0.0.1:9"]
        )
        assert made.changed and not own.asked
        fresh.ask("container_image", name=f"{own.name}/mirrored:1", state="absent")
        # Now the mirror loses its blobs, in the middle.
        mirror.blobs.clear()
        mirror.asked.clear()
        made = fresh.ask("container_image", name=f"{own.name}/mirrored:1", mirrors=[mirror.name], **LOGIN)
        assert made.changed and mirror.count("GET", "/blobs/") and own.count("GET", "/blobs/")
        assert "was passed over" in made.warnings[0]
        assert not [one for one in mirror.asked if "authorization" in one.headers]


@pytest.mark.parametrize("what", ["layer", "config", "length"])
def test_wrong_content_leaves_nothing(fresh: House, what: str) -> None:
    image = an_image(b"good", os.urandom(100_000))
    digest = image.layers[1] if what != "config" else json.loads(image.manifest)["config"]["digest"]
    with serving(Faulty()) as registry:
        registry.hold(image)
        good = registry.blobs[digest]
        registry.blobs[digest] = good + b" " if what == "length" else bytes(len(good))
        with pytest.raises(Refused, match=digest[:19]):
            fresh.ask("container_image", name=f"{registry.name}/x:1")
        assert not fresh.ask("container_image_info").result["images"] and not os.listdir(fresh.paths.staging)
        registry.blobs[digest] = good
        assert fresh.ask("container_image", name=f"{registry.name}/x:1").changed


def test_breaks_are_gone_on_from(fresh: House) -> None:
    image = an_image(os.urandom(2_000_000), os.urandom(2_000_000))
    with serving(Faulty()) as registry:
        registry.hold(image)
        cut = set(image.layers)

        def fault(handler: Any) -> bool:
            digest = handler.path.rpartition("/")[2]
            if digest not in cut:
                return False
            cut.remove(digest)
            handler.say(200, registry.blobs[digest], cut=1_500_000)
            return True

        registry.fault = fault
        assert fresh.ask("container_image", name=f"{registry.name}/cut:1").changed
    assert sorted(one.headers["range"] for one in registry.asked if "range" in one.headers) == ["bytes=1500000-"] * 2


def test_options_that_make_no_sense(fresh: House) -> None:
    for params in (
        {"pull": "sometimes"},
        {"platform": "a/b/c/d"},
        {"mirrors": "x"},
        {"mirrors": ["x/y"]},
        {"ca_cert": 5},
        {"name": "Bad"},
    ):
        for check in (True, False):
            with pytest.raises(InvalidSpec):
                fresh.ask("container_image", check=check, **{"name": "x", **params})


@pytest.mark.parametrize("kind", ["lost", "busy", "forever"])
def test_pushes_that_break_are_sent_again(base: House, kind: str) -> None:
    tried: list[str] = []
    one_by_one = threading.Lock()
    with serving(Faulty()) as registry:

        def fault(handler: Any) -> bool:
            if handler.command == "POST":
                handler.say(202, Location="/v2/x/blobs/uploads/y")
            elif handler.command == "PUT" and "/uploads/" in handler.path:
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                with one_by_one:
                    first = not tried
                    tried.append(digest_of(body))
                if first and kind == "busy":
                    handler.say(503)
                elif first and kind == "lost":
                    registry.blobs[digest_of(body)] = body
                    handler.hang_up()
                elif kind == "forever":
                    handler.say(507)
                else:
                    handler.say(201)
            elif handler.command == "PUT":
                handler.rfile.read(int(handler.headers["Content-Length"]))
                handler.say(201)
            else:
                return False
            return True

        registry.fault = fault
        if kind == "forever":
            with pytest.raises(Unreachable, match="507"):
                base.ask("container_image_push", name="base", destination=f"{registry.name}/x:1")
            return
        base.ask("container_image_push", name="base", destination=f"{registry.name}/x:1")
    assert len(tried) == len(set(tried)) + (kind == "busy") == 2 + (kind == "busy")


def test_a_mirror_is_never_shown_the_registrys_password(fresh: House) -> None:
    image = an_image(b"secret")
    with serving(Faulty()) as mirror, serving(Faulty()) as own:
        own.hold(image)
        mirror.hold(image)
        mirror.wants, mirror.challenge = lambda _unused: False, 'Basic realm="give"'
        made = fresh.ask("container_image", name=f"{own.name}/x:1", mirrors=[mirror.name], **LOGIN)
        assert made.changed and "was passed over" in made.warnings[0]
        assert mirror.asked and not [one for one in mirror.asked if "authorization" in one.headers]
        # What the auth file has for the mirror itself is for it.
        mirror.wants = lambda given: given.startswith("Basic ")
        who = {"registry": mirror.name, "username": "reader", "password": "x"}
        fresh.ask("container_registry_login", **who)
        fresh.ask("container_image", name=f"{own.name}/x:1", state="absent")
        asked = len(own.asked)
        assert fresh.ask("container_image", name=f"{own.name}/x:1", mirrors=[mirror.name], **LOGIN).changed
        assert len(own.asked) == asked
