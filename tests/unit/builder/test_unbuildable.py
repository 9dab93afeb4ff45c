"""Models that cannot be built, and how every command of the graph copes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from graphs import STAGES, Workshop

from cvimake.builder.unbuildable import of_declarations, stand_ins
from cvimake.project import read_declarations

OPEN = 'waits: models/open/model.toml:1: source: still says "CHOOSE.onnx": fill it in'
WRONG = "models/wrong/model.toml:1: sauce: no such key; did you mean source?"


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A project with a model that can be built, and two that cannot."""
    workshop = Workshop(tmp_path, monkeypatch)
    text = workshop.declaration.read_text(encoding="utf-8")
    declare(tmp_path, "open", 'source = "CHOOSE.onnx"\n' + text.replace('source = "tiny.onnx"\n', ""))
    declare(tmp_path, "wrong", f"sauce = 1\n{text}")
    return workshop


def build(workshop: Workshop, *arguments: str) -> tuple[int, str]:
    """Builds; returns the exit code and what was printed."""
    out = workshop.root / "out.txt"
    # doit's own standard output is the one of when it was imported.
    code = workshop.doit("run", "--output-file", str(out), *arguments)
    return code, out.read_text(encoding="utf-8")


def declare(root: Path, name: str, text: str) -> None:
    folder = root / "models" / name
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(text, encoding="utf-8")


def test_a_build_of_everything_tells_a_wrong_declaration_and_runs_nothing(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = build(workshop)
    assert "./doit --continue builds the other models" in capsys.readouterr().err
    assert (code, workshop.ran) == (2, [])
    assert f"wrong:declaration: FAILED\n{WRONG}\n" in out
    assert f"open {OPEN}\n" in out


def test_with_continue_all_other_models_are_built_and_the_exit_code_stays(workshop: Workshop) -> None:
    code, out = build(workshop, "--continue")
    assert code == 2
    assert sorted(workshop.ran) == sorted(STAGES)
    assert WRONG in out
    assert out.endswith("9 built, 0 unchanged, 1 failed\n")


def test_a_model_that_is_named_is_built_whatever_is_wrong_with_others(workshop: Workshop) -> None:
    code, out = build(workshop, "m0000")
    assert (code, sorted(workshop.ran)) == (0, sorted(STAGES))
    assert "waits" not in out


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("wrong", WRONG), ("wrong:int8", WRONG), ("build/wrong/wrong_cv181x_int8.cvimodel", WRONG),
        ("open", f"open {OPEN}"), ("open:int8", f"open {OPEN}"),
    ],
)  # fmt: skip
def test_naming_an_unbuildable_model_tells_why(workshop: Workshop, target: str, told: str) -> None:
    code, out = build(workshop, target)
    assert (code, workshop.ran) == (2, [])
    assert told in out


def test_an_open_choice_alone_is_no_failure(workshop: Workshop) -> None:
    (workshop.root / "models" / "wrong" / "model.toml").unlink()
    code, out = build(workshop)
    assert code == 0
    assert f"open {OPEN}\n" in out


def test_a_missing_network_is_one_line_and_who_names_its_model_reads_how_to_get_it(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop.root / "models" / "wrong" / "model.toml").unlink()
    how = "Its licence is its own:\\n  export it,\\n  or \\u001b download it"
    text = workshop.declaration.read_text(encoding="utf-8")
    declare(workshop.root, "net", f'source_from = "{how}"\n{text.replace("tiny.onnx", "net.onnx")}')
    place = "waits for its source: put it at models/net/net.onnx"
    short = f"{place} (`./doit net` says how to get it)"
    code, out = build(workshop)
    assert (code, sorted(workshop.ran)) == (0, sorted(STAGES))
    assert f"\nnet {short}\n" in out
    assert "licence" not in out
    code, out = build(workshop, "net:int8")
    assert code == 2
    told = "  Its licence is its own:\n    export it,\n    or \N{REPLACEMENT CHARACTER} download it\n"
    assert f"net {place}\n{told}" in out
    capsys.readouterr()
    for command in ("plan", "list"):
        assert workshop.doit(command) == 0
        assert short in capsys.readouterr().out, command
    assert workshop.doit("plan", "--json") == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    (reason,) = next(stage["reasons"] for stage in stages if stage["stage"] == "net:waiting")
    assert reason["remedy"].startswith("Put it at models/net/net.onnx.\nIts licence is its own:\n")


def test_a_plan_shows_both_and_fails_for_the_wrong_one(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.doit("plan") == 2
    out = capsys.readouterr().out
    assert "./doit --continue builds the other models" in out
    assert f"  {WRONG}\n" in out
    assert "9 will run" in out or "will run, " in out
    verdicts = workshop.verdicts(capsys, code=2)
    assert verdicts["wrong:declaration"] == "cannot run"
    assert verdicts["open:waiting"] == "waits"
    assert workshop.doit("plan", "m0000") == 0


def test_a_plan_without_a_wrong_one_succeeds(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    (workshop.root / "models" / "wrong" / "model.toml").unlink()
    assert workshop.doit("plan") == 0
    assert "waits for a choice: models/open/model.toml:1: source: " in capsys.readouterr().out


def test_list_why_graph_forget_and_clean_cope(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["list"], ["list", "--all"], ["why", "wrong:int8"], ["why", "wrong"]):
        assert workshop.doit(*command) == 0
        assert WRONG in capsys.readouterr().out, command
    assert workshop.doit("graph", "--format", "dot") == 0
    drawn = capsys.readouterr().out
    assert "models/wrong/model.toml:1" in drawn
    assert "models/open/model.toml:1" in drawn
    for command in (["forget", "wrong"], ["clean", "wrong"], ["clean"]):
        assert workshop.doit(*command) == 0, command


def test_a_key_that_steers_a_terminal_does_not_reach_it(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop.root / "models" / "wrong" / "model.toml").write_text('"\\u001b[31mred" = 1\n', encoding="utf-8")
    for text in (build(workshop)[1], build(workshop, "wrong")[1]):
        assert "red: no such key" in text
        assert "\x1b" not in text
    assert workshop.doit("list") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_log_and_info_say_that_it_never_runs(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert workshop.doit("log", "wrong:int8") == 2
    assert f"wrong:declaration never runs, and has no log:\n  {WRONG}\n" in capsys.readouterr().err
    assert workshop.doit("info", "wrong:int8") == 2
    assert capsys.readouterr().out == f"wrong:declaration\n  state   cannot run:\n          {WRONG}\n"


def test_a_wrong_dataset_stops_only_the_models_that_use_it(tmp_path: Path) -> None:
    declare(tmp_path, "net", _calibrated("good"))
    declare(tmp_path, "other", _calibrated("bad"))
    for name, text in (("good", ""), ("bad", "fils = 1\n"), ("unused", "fils = 1\n")):
        folder = tmp_path / "datasets" / name
        folder.mkdir(parents=True)
        (folder / "dataset.toml").write_text(text, encoding="utf-8")
        (folder / "0.png").touch()
    found = read_declarations(tmp_path)
    assert list(found.models) == ["net"]
    mistake = "dataset.toml:1: fils: no such key; did you mean files?"
    assert found.unusable["other"].mistakes == (f"{tmp_path}/datasets/bad/{mistake}",)
    assert found.mistakes == (f"{tmp_path}/datasets/unused/{mistake}",)


def _calibrated(dataset: str) -> str:
    return (
        f'source = "net.onnx"\n[verify]\ninput = "a.npz"\n[calibration]\ndataset = "{dataset}"\n'
        '[variant.int8]\nquantize = "INT8"\n'
    )


@pytest.mark.parametrize("name", ["with space", "-dash", "a=b", "list", "toolchain"])
def test_a_folder_that_is_called_as_no_task_can_be_is_told_all_the_same(
    workshop: Workshop, name: str
) -> None:
    (workshop.root / "models" / "wrong").rename(workshop.root / "models" / name)
    code, out = build(workshop)
    assert code == 2
    assert f"a model cannot be called {name!r}" in out


def test_a_model_with_an_open_choice_and_a_mistake_counts_as_a_mistake(tmp_path: Path) -> None:
    declare(tmp_path, "net", 'source = "CHOOSE.onnx"\nsauce = 1\n[verify]\ninput = "CHOOSE"\n[variant]\n')
    (found,) = of_declarations(read_declarations(tmp_path), tmp_path).values()
    assert found.is_wrong
    assert "sauce: no such key" in found.error.cause
    assert found.error.cause.count("fill it in") == 2


def test_only_what_is_not_in_the_graph_is_replaced() -> None:
    tasks = {"a", "a:int8", "b", "b:waiting"}
    assert stand_ins(["a:int8", "b", "b:int8", "build/b/x", "build/a/y", "c:int8"], tasks, {"build/a/y"}) == [
        "a:int8", "b", "b:waiting", "build/a/y", "c:int8",
    ]  # fmt: skip
    assert stand_ins(None, tasks, ()) is None


def test_a_source_outside_the_models_folder_is_asked_for_by_its_plain_path(workshop: Workshop) -> None:
    text = workshop.declaration.read_text(encoding="utf-8")
    declare(workshop.root, "far", text.replace('source = "tiny.onnx"', 'source = "../../networks/far.onnx"'))
    declarations = read_declarations(Path())
    waiting = of_declarations(declarations, Path())["far"]
    assert "put it at networks/far.onnx" in str(waiting.reasons[0])
    assert "put it at networks/far.onnx" in str(waiting.error)
