"""One picture in every format: names that mean something to the format, every state, every kind."""

from __future__ import annotations

import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from cvimake.cli.drawing import SIGNS, Group, Kind, Node, Picture, State, dot, mermaid, svg

HARD = 'a "b" <c> & \\d #e; `f` %% --> ünïcode'
SVG = "{http://www.w3.org/2000/svg}"


def picture(title: str = HARD) -> Picture:
    stages = [
        Node(key=f"m:{state.value}", kind=Kind.STAGE, title=state.value, state=state, reasons=(title,))
        for state in State
    ]
    source = Node(key="source", kind=Kind.FILE, title=title, details=("7 files",))
    result = Node(
        key="end", kind=Kind.CVIMODEL, title=title, details=(title,), state=State.UP_TO_DATE, last="2.0 s"
    )
    edges = [("source", stage.key) for stage in stages] + [(stage.key, "end") for stage in stages]
    group = Group(title=title, description=title, nodes=(source, *stages, result), edges=tuple(edges))
    shared = Node(key="toolchain", kind=Kind.STAGE, title="toolchain", state=State.WILL_RUN)
    return Picture(groups=(group,), shared=(shared,))


@pytest.mark.parametrize("title", [HARD, "\x00\x1b[31m\ud7ff", "网络", ""])
def test_svg_is_xml_that_says_what_it_was_given(title: str) -> None:
    root = ET.fromstring(svg.drawn(picture(title)))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    if title == HARD:
        assert any(HARD[:10] in text for text in texts)
    assert "up to date · 2.0 s" in texts
    assert "toolchain: will run" in texts
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", svg.drawn(picture(title)))


def test_in_svg_every_state_has_a_word_and_a_sign_of_its_own_and_the_reason_on_hover() -> None:
    root = ET.fromstring(svg.drawn(picture()))
    for state in State:
        groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == state.name.lower()]
        assert any(state.value in "".join(group.itertext()) for group in groups)
        assert all(group.find(f"{SVG}path[@class='sign']") is not None for group in groups)
    assert any(HARD in (title.text or "") for title in root.iter(f"{SVG}title"))
    assert len({svg._SIGNS[state] for state in State}) >= len(State) - 1
    assert len({SIGNS[state] for state in State}) == len(State)


def test_in_svg_no_box_leaves_the_page() -> None:
    root = ET.fromstring(svg.drawn(picture("x" * 300)))
    width, height = (float(root.get(side, "0")) for side in ("width", "height"))
    for box in root.iter(f"{SVG}rect"):
        left, top, wide, high = (float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert left >= 0
        assert top >= 0
        assert left + wide <= width
        assert top + high <= height


@pytest.mark.parametrize("drawn", [svg.drawn, mermaid.drawn, dot.drawn])
def test_the_same_picture_has_the_same_bytes(drawn: object) -> None:
    assert callable(drawn)
    assert drawn(picture()) == drawn(picture())


def test_mermaid_holds_no_sign_that_it_would_read() -> None:
    text = mermaid.drawn(picture())
    labels = re.findall(r'"([^"\n]*)"', text)
    assert len(labels) == 10
    for label in labels:
        assert not re.search(r'["<>&`\\%]', label.replace("<br/>", ""))
    assert "#34;b#34; #60;c#62;" in text
    assert text.startswith("flowchart LR\n")
    assert "  n0 --> n2" in text  # toolchain → the first stage


def test_dot_quotes() -> None:
    text = dot.drawn(picture())
    assert 'label="a \\"b\\" <c> &amp; \\\\d #e; `f` %% --> ünïcode\\n7 files"' in text
    assert '"toolchain" -> "m:up to date"' in text


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed: apt-get install graphviz")
def test_graphviz_reads_it() -> None:
    result = subprocess.run(
        ["dot", "-Tsvg"], input=dot.drawn(picture()), capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    drawn = "".join(ET.fromstring(result.stdout).itertext())
    assert 'a "b" <c> & \\d #e;' in drawn.replace("\u00a0", " ")
