from __future__ import annotations

from pathlib import Path

import pytest

from cvimake.core.plain_path import plain


@pytest.mark.parametrize(
    ("path", "shown"),
    [("models/net/a.png", "models/net/a.png"), ("models/net/../../datasets/a.png", "datasets/a.png")],
)
def test_a_path_is_told_without_the_dots_that_lead_to_it(path: str, shown: str) -> None:
    assert plain(Path(path)) == Path(shown)


def test_behind_a_link_the_dots_lead_where_the_operating_system_goes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "net"
    elsewhere.mkdir(parents=True)
    (tmp_path / "net").symlink_to(elsewhere)
    assert plain(tmp_path / "net" / "a.png") == tmp_path / "net" / "a.png"
    assert plain(tmp_path / "net" / ".." / "a.png") == tmp_path / "elsewhere" / "a.png"
