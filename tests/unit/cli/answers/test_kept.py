from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvimake.cli.answers import kept
from cvimake.cli.answers.kept import Answer, Damaged
from cvimake.cli.answers.sights import ASK, FILE


def answer(*paths: Path) -> Answer:
    made = Answer(b"r" * 32, 5, [(1, b"out\n"), (2, b""), (1, b"more")], takes_lock=True)
    made.see([{str(path): ASK[FILE](str(path)) for path in paths}, {}, {}, {}], {"/none": ""})
    return made


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    place = str(tmp_path / "answers" / "one")
    kept.write(place, answer(tmp_path, tmp_path / "none"))
    read = kept.read(place)
    assert (read.request, read.kept, read.takes_lock) == (b"r" * 32, 5, True)
    assert read.printed == [(1, b"out\n"), (2, b""), (1, b"more")]
    assert read.seen[0][0] == os.fsencode(f"{tmp_path}\0{tmp_path / 'none'}")
    assert [path.name for path in (tmp_path / "answers").iterdir()] == ["one"]


def test_it_holds_until_something_changes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = answer(tmp_path / "file", tmp_path / "none")
    assert made.holds()
    (tmp_path / "none").touch()
    assert not made.holds()
    (tmp_path / "none").unlink()
    assert made.holds()
    (tmp_path / "file").chmod(0o600)
    assert not made.holds()


def test_a_new_module_ends_it(tmp_path: Path) -> None:
    made = Answer(b"", 0, [], takes_lock=False)
    made.see([], {str(tmp_path): ""})
    assert made.holds()
    (tmp_path / "module.py").touch()
    assert not made.holds()


def test_one_of_the_future_does_not_hold() -> None:
    assert not Answer(b"", 2**62, [], takes_lock=False).holds()


def test_each_damage_is_found(tmp_path: Path) -> None:
    place = tmp_path / "answers" / "one"
    kept.write(str(place), answer(tmp_path))
    whole = place.read_bytes()
    for at in range(len(whole)):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            kept.read(str(place))
        place.write_bytes(whole[:at])
        with pytest.raises(Damaged):
            kept.read(str(place))


def test_one_that_others_can_write_or_that_is_elsewhere_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "answers" / "one"
    kept.write(str(place), answer())
    place.chmod(0o620)
    with pytest.raises(Damaged):
        kept.read(str(place))
    place.chmod(0o600)
    kept.read(str(place))
    (tmp_path / "link").symlink_to(place)
    os.mkfifo(tmp_path / "pipe")
    for other, error in (("link", OSError), ("pipe", Damaged), ("none", OSError), ("answers", OSError)):
        with pytest.raises(error):
            kept.read(str(tmp_path / other))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_that_of_another_user_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "answers" / "one"
    kept.write(str(place), answer())
    os.chown(place, 1234, -1)
    with pytest.raises(Damaged):
        kept.read(str(place))


def test_the_oldest_ones_go(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    for number in range(10):
        kept.write(str(folder / f"{number}"), answer())
        os.utime(folder / f"{number}", ns=(number, number))
    assert sorted(path.name for path in folder.iterdir()) == [f"{number}" for number in range(2, 10)]


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    for number in range(20):
        (precious / f"{number}").touch()
    (tmp_path / "answers").symlink_to(precious)
    with pytest.raises(NotADirectoryError):
        kept.write(str(tmp_path / "answers" / "one"), answer())
    assert len(list(precious.iterdir())) == 20


def test_one_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "answers" / "one"
    place.mkdir(parents=True)
    with pytest.raises(OSError, match="one"):
        kept.write(str(place), answer())
    assert list(place.parent.iterdir()) == [place]


def test_it_tells_what_has_changed(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    paths[0].touch()
    made = answer(*paths)
    assert made.changed() == []
    paths[2].touch()
    paths[0].unlink()
    assert made.changed() == [(FILE, 0), (FILE, 2)]
    assert [path for path, _ in zip(*next(made.read()), strict=True)] == list(map(str, paths))
    made.kept = 2**62
    assert made.changed() is None
