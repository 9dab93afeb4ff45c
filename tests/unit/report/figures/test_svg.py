from __future__ import annotations

from xml.etree import ElementTree as ET

from reports import HOSTILE

from cvimake.report.figures import svg


def figure(name: str) -> str:
    with svg.canvas("test", (0.2, 0.2, 0.7, 0.7), 100) as axes:
        axes.plot([0, 1], [0, 1], color=svg.SERIES[1], marker="o")
        axes.set_title(svg.text_of(name, 200))
        return svg.drawn(axes, name)


def test_a_figure_has_no_styles_and_takes_its_colours_from_the_page() -> None:
    drawn = figure("a")
    root = ET.fromstring(drawn)
    assert "style" not in {key for element in root.iter() for key in element.attrib}
    assert "style" not in {element.tag for element in root.iter()}
    assert "var(--s1)" in drawn
    assert "#110000" not in drawn


def test_references_in_a_figure_lead_to_ids_in_it() -> None:
    root = ET.fromstring(figure("a"))
    ids = {element.get("id") for element in root.iter()}
    uses = [element.get("href", "")[1:] for element in root.iter() if element.tag == "use"]
    clips = [value[5:-1] for element in root.iter() if (value := element.get("clip-path"))]
    assert uses
    assert {*uses, *clips} <= ids


def test_a_name_is_text_in_a_figure() -> None:
    root = ET.fromstring(figure(HOSTILE))
    assert "script" not in {element.tag for element in root.iter()}
    texts = "".join(element.text or "" for element in root.iter("text"))
    assert "<script>alert(1)</script>" in texts
    assert "$\\frac{1}$" in texts


def test_the_same_figure_has_the_same_bytes() -> None:
    assert figure("a") == figure("a")


def test_a_long_name_is_shortened_in_its_middle() -> None:
    assert svg.text_of("a" * 30 + "b" * 30, 10) == "aaaa…bbbbb"
    assert svg.text_of("\u6f22\u5b57 \U0001f600", 10) == "\u6f22\u5b57 \U0001f600"
