from __future__ import annotations

import os
import re
import shutil
import sqlite3
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from graphs import STAGES, Workshop

from cvimake import dodo
from cvimake.builder.history import HISTORY
from cvimake.cli import graph
from cvimake.cli.commands import PLUGINS


def drawn(workshop: Workshop, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    return workshop.printed(capsys, "graph", *arguments)


def lines(text: str) -> set[tuple[str, str]]:
    """Of DOT: what leads to what."""
    return set(re.findall(r'^  "([^"]*)" -> "([^"]*)"$', text, re.MULTILINE))


def states(text: str) -> dict[str, str]:
    """Of DOT: each stage's state."""
    found = re.findall(r'"([^"]*)" \[label="[^"]*[✓▶▷‖✗○] ([a-z ]*?)(?: ·[^"]*)?"', text)
    return dict(found)


def test_before_the_first_build_everything_will_run_and_nothing_is_made(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    text = drawn(workshop, capsys, "--format", "dot")
    assert states(text) == dict.fromkeys(["toolchain", *STAGES], "will run")
    assert not (workshop.root / "build").exists()


def test_the_graph_has_an_edge_from_each_stage_to_those_that_need_it(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    text = drawn(built, capsys, "--format", "dot")
    stages = {(a, b) for a, b in lines(text) if " reads " not in a}
    assert stages == {
        ("toolchain", "m0000:onnx"),
        ("m0000:onnx", "m0000:mlir"),
        ("m0000:mlir", "m0000:calibration"),
        ("m0000:calibration", "m0000:int8"),
        ("m0000:calibration", "m0000:mix_qtable"),
        ("m0000:mix_qtable", "m0000:mix"),
        ("m0000:int8", "m0000:int8_info"),
        ("m0000:mix", "m0000:mix_info"),
    }
    assert ("m0000 reads models/m0000/tiny.onnx", "m0000:onnx") in lines(text)
    assert "run_tool" not in text


def test_stale_stages_are_marked_and_current_cvimodels_are_described(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    built.declare("0.9999, min_layer_cos", "0.99, min_layer_cos")
    text = drawn(built, capsys, "--format", "dot")
    assert states(text) == {
        **dict.fromkeys(["toolchain", *STAGES], "up to date"),
        "m0000:mix_qtable": "will run",
        "m0000:mix": "may run",
        "m0000:mix_info": "may run",
    }
    assert (
        "m0000_cv181x_int8.cvimodel\\n1.0 kB · ION 0.10 MB\\n"
        "recognised as nothing · is refused\\n✓ up to date" in text
    )
    assert "m0000_cv181x_mix.cvimodel\\n▷ may run" in text
    assert "option --expected_cos was 0.9999, is 0.99" in text


def test_a_picture_changes_nothing_and_is_the_same_each_time(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in built.root.rglob("*") if path.is_file()}
    for form in ("svg", "mermaid", "dot"):
        assert drawn(built, capsys, "--format", form) == drawn(built, capsys, "--format", form)
    assert {path: path.read_bytes() for path in built.root.rglob("*") if path.is_file()} == before


def test_a_target_is_drawn_with_what_it_needs(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    text = drawn(built, capsys, "--format", "dot", "build/m0000/m0000_cv181x_int8.cvimodel")
    assert set(states(text)) == {
        *("toolchain", "m0000:onnx", "m0000:mlir", "m0000:calibration", "m0000:int8", "m0000:int8_info")
    }


def test_waiting_models_and_left_out_stages_are_marked(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("ignore", "m0000:calibration") == 0
    text = drawn(workshop, capsys, "--format", "dot")
    assert states(text)["m0000:mlir"] == "will run"
    assert {states(text)[name] for name in STAGES[2:]} == {"left out"}
    (workshop.root / "models" / "m0000" / "tiny.onnx").unlink()
    text = drawn(workshop, capsys, "--format", "dot")
    assert states(text) == {"m0000:waiting": "waits", "toolchain": "will run"}
    assert "waiting\\nmodels/m0000/tiny.onnx\\n‖ waits" in text


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_a_model_with_a_mistake_is_not_drawn_as_one_that_waits(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    workshop.declare("expected_cos = 0.9999", "expected_cos = 2")
    text = drawn(workshop, capsys, "--format", form)
    assert "cannot run" in text
    assert "waits" not in text.partition("</style>")[2]
    if form == "dot":
        assert states(text)["m0000:declaration"] == "cannot run"


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("g.svg", "<svg "), ("g.mmd", "flowchart LR"), ("g.dot", "digraph "), ("g.GV", "digraph ")],
)
@pytest.mark.parametrize("form", ["-o", "--output", "--output="])
def test_the_outputs_name_says_what_to_draw_and_is_meant_from_where_the_user_is(
    built: Workshop, monkeypatch: pytest.MonkeyPatch, name: str, beginning: str, form: str
) -> None:
    (built.root / "build" / "sub").mkdir()
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", str(built.root / "build" / "sub"))
    assert built.doit("graph", *([form + name] if form.endswith("=") else [form, name])) == 0
    assert (built.root / "build" / "sub" / name).read_text(encoding="utf-8").startswith(beginning)


def test_mermaid_is_what_is_printed(built: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn(built, capsys).startswith("flowchart LR\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "png"], "--format is 'png'; it can be svg, mermaid, dot"),
        (["-o", "g.png"], "g.png: the file's name does not tell the format"),
        (["-o", "missing/g.svg"], "the picture cannot be written: "),
    ],
)
def test_impossible_options_are_refused(
    built: Workshop, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert built.doit("graph", *arguments) == 2
    assert told in capsys.readouterr().err


def test_many_models_are_drawn_up_to_a_number(
    built: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("m0001", "m0002"):
        shutil.copytree(built.declaration.parent, built.root / "models" / name)
    ET.fromstring(drawn(built, capsys, "--format", "svg"))
    monkeypatch.setattr(graph, "MOST_MODELS", 2)
    assert built.doit("graph") == 2
    assert "a picture of 3 models is too large to read; it can hold 2" in capsys.readouterr().err
    text = drawn(built, capsys, "m0002", "m0001", "--format", "dot")
    assert re.findall(r'label="(m\d+)"', text) == ["m0001", "m0002"]


def test_records_that_cannot_be_read_are_left_out(
    built: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("build/m0000/m0000_cv181x_int8_info.json").write_text("{}", encoding="utf-8")
    os.utime("build/m0000/m0000_cv181x_int8_info.json")
    with sqlite3.connect(HISTORY) as history:
        history.execute("update runs set reasons = 'x', inputs = '[1'")
    history.close()
    assert "m0000_cv181x_int8.cvimodel\\n▶ will run" in drawn(built, capsys, "--format", "dot")


def test_the_picture_in_the_readme_is_of_the_graph_of_today(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
    now = ET.fromstring(_drawn_here(capsys))
    kept = ET.parse(ROOT / "docs" / "graph.svg").getroot()
    assert _titles(kept) == _titles(now)
    assert "(graph.svg)" in (ROOT / "docs" / "building.md").read_text(encoding="utf-8")


ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def _titles(picture: ET.Element) -> list[str]:
    texts = picture.iter(f"{SVG}text")
    return sorted("".join(text.itertext()) for text in texts if text.get("class") == "title")


def _drawn_here(capsys: pytest.CaptureFixture[str]) -> str:
    config, task_toolchain, task_models = dodo.graph(str(ROOT / "dodo.py"))
    namespace = {"DOIT_CONFIG": config, "task_toolchain": task_toolchain, "task_models": task_models}
    loader = ModuleTaskLoader(namespace)
    assert (
        DoitMain(loader, config_filenames=(), extra_config=PLUGINS).run(
            ["graph", "--format", "svg", "shapes"]
        )
        == 0
    )
    return capsys.readouterr().out
