# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels on hosts of every kind, each a directory that plays one; and paths that are shown or hidden."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, NotFound, Unsupported
from ansible_collections.berth.containers.plugins.module_utils._engine.security import apparmor, labels, masks
from ansible_collections.berth.containers.plugins.module_utils._engine.security.labels import Labels

IDENT = "0123456789ab" + "0" * 52


def write(root: pathlib.Path, path: str, text: str, mode: int = 0o644) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    (root / path).chmod(mode)


@pytest.fixture
def plain(tmp_path: pathlib.Path) -> str:
    return str(tmp_path)


@pytest.fixture
def confined(tmp_path: pathlib.Path) -> str:
    """With AppArmor, a profile of the admin's, and a parser that loads what it is given."""
    write(tmp_path, "sys/module/apparmor/parameters/enabled", "Y\n")
    profiles = tmp_path / "sys/kernel/security/apparmor/policy/profiles"
    (profiles / "mine.3").mkdir(parents=True)
    script = f"#!/bin/sh\ncat > {tmp_path}/given && echo $* >> {tmp_path}/calls && mkdir {profiles}/berth-default.9\n"
    write(tmp_path, "usr/sbin/apparmor_parser", script, 0o755)
    return str(tmp_path)


@pytest.fixture
def labelled(tmp_path: pathlib.Path) -> str:
    """With SELinux."""
    write(tmp_path, "sys/fs/selinux/enforce", "1")
    return str(tmp_path)


def resolved(root: str, *opts: str, privileged: bool = False, loadable: bool = True) -> Labels:
    return labels.resolve(opts, IDENT, privileged=privileged, loadable=loadable, root=root)


def test_a_host_with_neither(plain: str) -> None:
    assert resolved(plain) == resolved(plain, "apparmor=unconfined", "label=disable") == Labels()
    assert not apparmor.load(plain)
    for asked in ("apparmor=mine", "label=type:x"):
        with pytest.raises(Unsupported, match=f"security_opts: {asked}: this kernel has no"):
            resolved(plain, asked)


def test_the_default_profile_is_loaded_once(confined: str) -> None:
    root = pathlib.Path(confined)
    assert apparmor.load(confined)
    assert apparmor.load(confined)
    assert (root / "calls").read_text() == "--replace --skip-cache\n"
    text = (root / "given").read_text()
    assert "profile berth-default " in text
    # The filter lets 32-bit programs make sockets where this profile is, since this refuses these families.
    assert {"  deny network alg,", "  deny network vsock,"} <= set(text.splitlines())
    assert text.count("{") == text.count("}")
    assert resolved(confined) == Labels(apparmor="berth-default")
    assert resolved(confined, "apparmor=berth-default", privileged=True) == Labels(apparmor="berth-default")


def test_a_profile_of_the_admins(confined: str) -> None:
    assert resolved(confined, "apparmor=mine") == Labels(apparmor="mine")
    assert resolved(confined, "apparmor=unconfined") == Labels()
    assert resolved(confined, privileged=True) == Labels()
    with pytest.raises(NotFound, match="apparmor=other is not loaded on this host"):
        resolved(confined, "apparmor=other")


def test_a_host_that_can_t_load_it_says_so(confined: str) -> None:
    (pathlib.Path(confined) / "usr/sbin/apparmor_parser").unlink()
    assert not apparmor.load(confined)
    found = resolved(confined, loadable=False)
    assert found.apparmor == ""
    assert "no apparmor_parser" in found.note


def test_a_parser_that_refuses_is_an_error(confined: str) -> None:
    write(pathlib.Path(confined), "usr/sbin/apparmor_parser", "#!/bin/sh\necho 'line 3: no' >&2\nexit 1\n", 0o755)
    with pytest.raises(EngineError, match="refuses the profile berth-default: line 3: no"):
        apparmor.load(confined)


def test_profiles_listed_in_one_file_only(confined: str) -> None:
    """Kernels before 3.19 have no directory of them, and a namespace's name is not in it."""
    write(
        pathlib.Path(confined),
        "sys/kernel/security/apparmor/profiles",
        "/usr/bin/x (enforce)\nberth-defaults (enforce)\n",
    )
    assert labels.is_loaded("/usr/bin/x", confined)
    assert not labels.is_loaded("berth-default", confined)


def test_contexts(labelled: str) -> None:
    found = resolved(labelled)
    head, _unused, level = found.process.partition(":s0:")
    assert head == "system_u:system_r:container_t"
    assert found.files == f"system_u:object_r:container_file_t:s0:{level}"
    one, other = (int(part[1:]) for part in level.split(","))
    assert 0 <= one < other < 1024
    assert resolved(labelled) == found
    another = labels.resolve((), "f" * 64, privileged=False, loadable=False, root=labelled)
    assert another.process != found.process
    assert resolved(labelled, "label=disable") == Labels()
    asked = resolved(labelled, "label=level:s0:c1,c2", "label=type:mine_t", "label=user:u", "label=role:r")
    assert (asked.process, asked.files) == ("u:r:mine_t:s0:c1,c2", "u:object_r:container_file_t:s0:c1,c2")
    assert resolved(labelled, privileged=True).process == "system_u:system_r:spc_t:s0"


def test_every_pair_of_categories_is_one() -> None:
    for number in range(0, 1 << 20, 997):
        one, other = (int(part[1:]) for part in labels._categories(f"{number:012x}").split(","))
        assert 0 <= one < other < 1024


def test_masks() -> None:
    masked, read_only = masks.resolve((), privileged=False)
    assert (masked, read_only) == (masks.MASKED, masks.READ_ONLY)
    assert masks.resolve((), privileged=True) == ((), ())
    for everything in ("unmask=ALL", "systempaths=unconfined"):
        assert masks.resolve((everything,), privileged=False) == ((), ())
    masked, read_only = masks.resolve(("unmask=/proc/kcore:/proc/sys", "mask=/srv:/proc/acpi"), privileged=False)
    assert set(masks.MASKED) - set(masked) == {"/proc/kcore"}
    assert set(masked) - set(masks.MASKED) == {"/srv"}
    assert len(masked) == len(set(masked))
    assert set(masks.READ_ONLY) - set(read_only) == {"/proc/sys"}
    masked, read_only = masks.resolve(("unmask=/proc/*",), privileged=False)
    assert all(path.startswith("/sys/") for path in masked)
    assert read_only == ()
    assert masks.resolve(("mask=/a", "unmask=ALL"), privileged=False) == (("/a",), ())
