from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cvimake.fetching.faults import FetchError
from cvimake.fetching.jobs import Place, differing, jobs
from cvimake.project.awaiting import Owner
from cvimake.project.fetch import Fetch

SUM, OTHER, THIRD = "0" * 64, "1" * 64, "2" * 64


def owner(folder: Path, files: dict[str, dict[str, str]]) -> Owner:
    archives = {"all": {"url": "https://a.org/all.zip", "sha256": THIRD}}
    table = {"base_url": "https://a.org/x", "files": files, "archives": archives}
    return Owner(name=folder.name, folder=folder, fetch=Fetch.model_validate(table))


def test_equal_files_of_several_owners_are_one_download(tmp_path: Path) -> None:
    one = owner(tmp_path / "one", {"a b.jpg": {"sha256": SUM}, "c.jpg": {"sha256": OTHER}})
    two = owner(tmp_path / "two", {"d.jpg": {"sha256": SUM, "url": "https://b.org/d.jpg"}})
    first, second = jobs([(one, ["a b.jpg", "c.jpg"]), (two, ["d.jpg"])])
    assert (first.url, second.url) == ("https://a.org/x/a%20b.jpg", "https://a.org/x/c.jpg")
    assert [place.label for place in first.places] == ["one: a b.jpg", "two: d.jpg"]


def test_the_members_of_an_archive_are_one_download(tmp_path: Path) -> None:
    archived = owner(
        tmp_path / "one",
        {
            "a.jpg": {"sha256": SUM, "archive": "all", "member": "m"},
            "b.jpg": {"sha256": OTHER, "archive": "all"},
            "c.jpg": {"sha256": SUM, "archive": "all", "member": "m"},
        },
    )
    (job,) = jobs([(archived, ["a.jpg", "b.jpg", "c.jpg"])])
    assert (job.url, job.sha256, job.is_archive) == ("https://a.org/all.zip", THIRD, True)
    members = [(each.member, [place.name for place in each.places]) for each in job.contents]
    assert members == [("m", ["a.jpg", "c.jpg"]), ("b.jpg", ["b.jpg"])]


def test_only_files_that_are_there_can_differ(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"x")
    found = hashlib.sha256(b"x").hexdigest()
    files = {"a.jpg": {"sha256": found}, "b.jpg": {"sha256": SUM}, "c.jpg": {"sha256": SUM}}
    assert differing(owner(folder, files)) == {"b.jpg": found}


def test_a_place_behind_a_link_is_inside_only_if_the_link_stays_inside(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "folder").symlink_to(folder)
    (folder / "same").symlink_to("inner")
    (folder / "out").symlink_to(tmp_path)
    for name in ("a", "same/a", "new/a"):
        Place(label="", folder=tmp_path / "folder", name=name).check()
    with pytest.raises(FetchError, match="a link leads out of the folder"):
        Place(label="", folder=tmp_path / "folder", name="out/a").check()
