from __future__ import annotations

import json
from pathlib import Path

import pytest
from reports import model, report

from cvimake.report import writing

FOLDER = Path("build/report")


def test_a_second_report_of_the_same_makes_no_page(tmp_path: Path) -> None:
    shown = report(model("a"), model("b"))
    assert writing.write(shown, {}, tmp_path) == writing.Written(pages=3, made=3)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / FOLDER).rglob("*") if path.is_file()}
    assert writing.write(shown, {}, tmp_path) == writing.Written(pages=3, made=0)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_only_the_page_of_a_changed_model_is_made_anew(tmp_path: Path) -> None:
    writing.write(report(model("a"), model("b")), {}, tmp_path)
    changed = model("a").model_copy(update={"notes": ("another doubt",)})
    # The overview shows no doubts, but it has the digest of the whole model.
    assert writing.write(report(changed, model("b")), {}, tmp_path).made <= 2
    assert "another doubt" in (tmp_path / FOLDER / "models/a.html").read_text(encoding="utf-8")


def test_another_graph_makes_the_page_anew(tmp_path: Path) -> None:
    writing.write(report(model("a")), {}, tmp_path)
    assert writing.write(report(model("a")), {"a": "<svg/>"}, tmp_path).made == 1


def test_an_edited_or_missing_page_is_made_anew(tmp_path: Path) -> None:
    writing.write(report(model("a"), model("b")), {}, tmp_path)
    page = tmp_path / FOLDER / "models/a.html"
    content = page.read_bytes()
    page.write_bytes(b"edited")
    (tmp_path / FOLDER / "models/b.html").unlink()
    assert writing.write(report(model("a"), model("b")), {}, tmp_path).made == 2
    assert page.read_bytes() == content


def test_the_page_of_a_model_that_is_gone_is_removed(tmp_path: Path) -> None:
    writing.write(report(model("a"), model("b")), {}, tmp_path)
    writing.write(report(model("a")), {}, tmp_path)
    assert sorted(path.name for path in (tmp_path / FOLDER / "models").iterdir()) == ["a.html"]


@pytest.mark.parametrize(
    "name",
    ["../../precious.html", "models/../../../precious.html", "{root}/precious.html", "models", ".", "a\0b"],
)
def test_a_damaged_record_removes_nothing_that_is_no_page(tmp_path: Path, name: str) -> None:
    precious = [tmp_path / "precious.html", tmp_path / "build" / "precious.html"]
    writing.write(report(model("a")), {}, tmp_path)
    for path in precious:
        path.write_text("mine", encoding="utf-8")
    _add_to_record(tmp_path, name.format(root=tmp_path))
    assert writing.write(report(model("a")), {}, tmp_path) == writing.Written(pages=2, made=0)
    assert all(path.read_text(encoding="utf-8") == "mine" for path in precious)
    record = json.loads((tmp_path / FOLDER / ".pages.json").read_bytes())
    assert sorted(record) == ["index.html", "models/a.html"]


def test_no_page_is_removed_through_a_link_or_where_a_folder_has_its_name(tmp_path: Path) -> None:
    writing.write(report(model("a")), {}, tmp_path)
    (tmp_path / FOLDER / "models" / "folder.html").mkdir()
    _add_to_record(tmp_path, "models/folder.html")
    writing.write(report(model("a")), {}, tmp_path)
    assert (tmp_path / FOLDER / "models" / "folder.html").is_dir()

    elsewhere = tmp_path / "elsewhere"
    (tmp_path / FOLDER / "models").rename(elsewhere)
    (tmp_path / FOLDER / "models").symlink_to(elsewhere)
    (elsewhere / "precious.html").write_text("mine", encoding="utf-8")
    _add_to_record(tmp_path, "models/precious.html")
    writing.write(report(model("a")), {}, tmp_path)
    assert (elsewhere / "precious.html").read_text(encoding="utf-8") == "mine"


def _add_to_record(root: Path, name: str) -> None:
    path = root / FOLDER / ".pages.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), name: ["", ""]}), encoding="utf-8")


def test_the_same_report_has_the_same_bytes_in_one_process_and_in_several(tmp_path: Path) -> None:
    models = [model(f"m{number}") for number in range(9)]
    writing.write(report(*models), {}, tmp_path / "a")
    for one in models:
        writing.write(report(one), {}, tmp_path / "b")
        page = Path("models") / f"{one.name}.html"
        assert (tmp_path / "a" / FOLDER / page).read_bytes() == (tmp_path / "b" / FOLDER / page).read_bytes()
