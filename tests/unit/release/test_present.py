from __future__ import annotations

import json
from pathlib import Path

from cvimake.release import present
from cvimake.release.contents import PROVENANCE
from cvimake.release.difference import EVERYTHING, Change


def release(folder: Path, name: str, ended: str) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    (place / PROVENANCE).write_text("{}", encoding="utf-8")
    record = folder / f"{name}.build"
    record.mkdir()
    (record / "record.json").write_text(json.dumps({"ended": ended}), encoding="utf-8")
    return place


def test_the_last_release_is_the_one_that_was_made_last(tmp_path: Path) -> None:
    newer = release(tmp_path, "p-v9", "2026-02-01T00:00:00Z")
    release(tmp_path, "p-v10", "2026-01-01T00:00:00Z")
    (tmp_path / "no-release").mkdir()
    assert present.last_release(tmp_path) == newer


def test_without_a_release_there_is_no_last_one(tmp_path: Path) -> None:
    assert present.last_release(tmp_path) is None
    assert present.last_release(tmp_path / "missing") is None


def test_a_release_without_a_record_is_older_than_one_with_it(tmp_path: Path) -> None:
    newer = release(tmp_path, "a", "2026-02-01T00:00:00Z")
    release(tmp_path, "z", "2026-03-01T00:00:00Z")
    (tmp_path / "z.build/record.json").write_text("[]", encoding="utf-8")
    assert present.last_release(tmp_path) == newer


def test_each_model_has_its_own_changes_and_those_of_all() -> None:
    def change(subject: str, what: str) -> Change:
        return Change(subject, what, "old", "new")

    own = [
        change("a/a_int8.cvimodel", "size"),
        change(EVERYTHING, "a:mix_qtable --expected_cos"),
        change(EVERYTHING, "source models/a/model.toml"),
        change(EVERYTHING, "accuracy of a in float"),
        change(EVERYTHING, "a accuracy argv"),
    ]
    shared = [change(EVERYTHING, "version"), change(EVERYTHING, "files in datasets/street")]
    of_other = [change("b/b_int8.cvimodel", "size"), change(EVERYTHING, "source models/b/model.toml")]
    assert present.of_model("a", frozenset({"b"}), [*own, *shared, *of_other]) == (*own, *shared)
