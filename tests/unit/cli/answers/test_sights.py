from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvimake.cli.answers import sights
from cvimake.cli.answers.sights import ABSENT, ASK, FILE, LINK, LINK_PLACE, PLACE


def test_a_file_has_another_state_after_each_change_and_a_place_only_if_it_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.utime(folder, ns=(1, 1))
    before = [ask(str(folder)) for ask in ASK]
    (folder / "file").touch()
    after = [ask(str(folder)) for ask in ASK]
    assert [new == old for new, old in zip(after, before, strict=True)] == [False, True, False, True]
    folder.chmod(0o500)
    assert ASK[PLACE](str(folder)) != before[PLACE]


def test_a_link_has_a_state_of_its_own(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    assert ASK[FILE](str(link)) == ABSENT == ASK[FILE](str(tmp_path / "none" / "file"))
    own = ASK[LINK](str(link))
    target.mkdir()
    assert ASK[LINK](str(link)) == own != ABSENT
    assert ASK[PLACE](str(link)) == ASK[PLACE](str(target)) == ASK[LINK_PLACE](str(target))
    assert ASK[LINK_PLACE](str(link)) != ASK[LINK_PLACE](str(target))


def test_states_are_compared_as_bytes(tmp_path: Path) -> None:
    paths = [str(tmp_path), str(tmp_path / "none")]
    assert sights.states(FILE, paths) == sights.packed([ASK[FILE](path) for path in paths])
    assert sights.states(FILE, []) == b""
    old = tmp_path / "old"
    old.touch()
    os.utime(old, ns=(0, -1))
    with pytest.raises(OverflowError):
        sights.states(FILE, [str(old)])


def test_paths_may_hold_any_bytes() -> None:
    paths = ["a\nb", os.fsdecode(b"\xff"), "ü"]
    assert sights.split(sights.joined(paths)) == paths
    assert sights.split(sights.joined([])) == []


def test_the_names_that_python_can_import(tmp_path: Path) -> None:
    for name in ("a.py", "b.so", "c.txt", "d", "e.pyc"):
        (tmp_path / name).touch()
    for name in ("package", "__pycache__", ".git", "a.b"):
        (tmp_path / name).mkdir()
    assert sights.importable(str(tmp_path)) == "a.py\nb.so\ne.pyc\npackage"
    assert sights.importable(str(tmp_path / "none")) == ""
