from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from cvimake.core.errors import CvimakeError
from cvimake.core.home import expanded, home


def test_the_home_folder_is_that_of_the_given_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of-the-process")
    assert home({"HOME": "/home/given"}) == Path("/home/given")
    assert home({}) == Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_user: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(CvimakeError, match="HOME is not set"):
        home({})


@pytest.mark.parametrize(
    ("path", "meant"),
    [("~", "/h"), ("~/a/b", "/h/a/b"), ("a/~", "a/~"), ("/x", "/x"), ("", "."), ("~root/a", "/root/a")],
)
def test_the_beginning_of_a_path_can_be_a_home_folder(path: str, meant: str) -> None:
    assert expanded(Path(path), {"HOME": "/h"}) == Path(meant)


def test_the_home_folder_of_nobody_is_an_error() -> None:
    with pytest.raises(CvimakeError, match="there is no user 'no such user'"):
        expanded(Path("~no such user/store"), {})
