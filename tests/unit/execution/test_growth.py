from __future__ import annotations

import os
import stat
from pathlib import Path

from cvimake.core.action import Limits
from cvimake.core.capacity import Share
from cvimake.execution.growth import Growth
from cvimake.toolchain.container.process_group import GRANT, TAKES

LIMITS, SHARE = Limits(memory=1000), Share(cores=3, memory=5, free=400)


def test_a_tool_is_told_while_it_runs(tmp_path: Path) -> None:
    growth = Growth()
    assert not growth.grant(SHARE)
    with growth.told(LIMITS, tmp_path):
        assert not growth.grant(SHARE), "it could not use it"
        (tmp_path / TAKES).touch()
        assert growth.grant(SHARE)
        assert (tmp_path / GRANT).read_text() == "3 340\n"
        assert growth.grant(Share(cores=4, memory=5))
        assert (tmp_path / GRANT).read_text() == "4 850\n"
    assert not growth.grant(SHARE)
    assert {path.name for path in tmp_path.iterdir()} == {GRANT, TAKES}


def test_a_tool_elsewhere_is_not_told() -> None:
    growth = Growth()
    with growth.told(LIMITS, None):
        assert not growth.grant(SHARE)


def test_the_tools_user_can_read_it(tmp_path: Path) -> None:
    (tmp_path / TAKES).touch()
    growth, before = Growth(), os.umask(0o077)
    try:
        with growth.told(LIMITS, tmp_path):
            assert growth.grant(SHARE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / GRANT).stat().st_mode) == 0o644


def test_links_of_the_tool_are_not_followed(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    secret.write_text("secret")
    folder.mkdir()
    (folder / TAKES).touch()
    for name in (GRANT, f"{GRANT}.new"):
        (folder / name).symlink_to(secret)
    growth = Growth()
    with growth.told(LIMITS, folder):
        assert growth.grant(SHARE)
    assert (folder / GRANT).read_text() == "3 340\n"
    assert secret.read_text() == "secret"


def test_a_tool_that_stands_in_the_way_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / GRANT).mkdir()
    (tmp_path / TAKES).touch()
    growth = Growth()
    with growth.told(LIMITS, tmp_path):
        assert not growth.grant(SHARE)


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / TAKES).touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    growth = Growth()
    with growth.told(LIMITS, tmp_path / "link"):
        assert not growth.grant(SHARE)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [TAKES]
