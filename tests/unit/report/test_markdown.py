from __future__ import annotations

from reports import HOSTILE, model, report, variant

from cvimake.report import markdown
from cvimake.report.data import Change


def test_the_table_has_a_row_for_each_cvimodel() -> None:
    text = markdown.written(report(model(variants=(variant("int8"), variant("f16", state="will run")))))
    rows = [line for line in text.splitlines() if line.startswith("| m |")]
    assert "**int8** (suggested)" in rows[0]
    assert rows[1].endswith("| will run |")
    assert "class layer -0.100" in text


def test_hostile_names_are_text() -> None:
    change = Change(subject=HOSTILE, what="a|b", old="@someone", new="")
    hostile = model(hostile=HOSTILE).model_copy(update={"release": "v1", "changes": (change,)})
    text = markdown.written(report(hostile))
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a\\|b" in text
    assert "@someone" not in text


def test_nothing_depends_on_the_time_of_the_build() -> None:
    assert "2024-01-01" not in markdown.written(report(model()))
