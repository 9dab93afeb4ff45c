from __future__ import annotations

from pathlib import Path

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


def test_the_same_report_has_the_same_bytes_in_one_process_and_in_several(tmp_path: Path) -> None:
    models = [model(f"m{number}") for number in range(9)]
    writing.write(report(*models), {}, tmp_path / "a")
    for one in models:
        writing.write(report(one), {}, tmp_path / "b")
        page = Path("models") / f"{one.name}.html"
        assert (tmp_path / "a" / FOLDER / page).read_bytes() == (tmp_path / "b" / FOLDER / page).read_bytes()
