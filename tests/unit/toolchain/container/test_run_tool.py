"""The step that runs a tool and summarises what it said, with scripts in the tools' place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvimake.toolchain.container import run_tool

COMPARED = """\
0 failed
min_similiarity = (0.9992116689682007, 0.9602809532485028, 2.9126963019371033)
Target    net_tpu_outputs.npz
Reference net_top_outputs.npz
npz compare PASSED.
"""
EXACT = """\
min_similiarity = (1.0, 1.0, inf)
Target    net_model_outputs.npz
Reference net_tpu_outputs.npz
"""
FAILED = """\
min_similiarity = (0.17054586112499237, -0.7946948897065018, -4.709098637104034)
Target    net_model_outputs.npz
npz compare FAILED.
"""
SUFFICES = "current int8 cos:0.9999 is higher than expected_cos:0.99, no need for mix precsion"
REACHED = "int8 outputs_cos:0.974851 old\nmix model outputs_cos:0.999648\n"
GAVE_UP = "int8 outputs_cos:0.5 old\njob fail\nmix model outputs_cos:0.9369\n"


# A reference in which the network finds nothing


@pytest.mark.parametrize(
    ("values", "is_constant"),
    [
        ([0.0, 1e-5, 3e-3], True),
        ([5000.0, 5000.1, 5000.2], True),
        ([0.0, 0.5, 0.9], False),
        ([-3.0, 2.0, 8.0], False),
        ([7.0], False),
    ],
)
def test_a_reference_that_is_nearly_constant_is_told(
    tmp_path: Path,
    values: list[float],
    is_constant: bool,  # noqa: FBT001 - what is expected
) -> None:
    np.savez(tmp_path / "net_top_outputs.npz", boxes=np.array([1.0, 90.0]), scores=np.array(values))
    told = run_tool.constant(tmp_path / "net_top_outputs.npz")
    assert told.startswith("the float network's scores is nearly constant, from ") == is_constant
    assert bool(told) == is_constant


def test_without_a_reference_nothing_is_told(tmp_path: Path) -> None:
    assert run_tool.constant(tmp_path / "none.npz") == ""
    assert run_tool.constant(Path()) == ""


def test_a_tool_that_failed_is_followed_by_what_its_reference_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("reference.npz", scores=np.zeros(8))
    Path("tool.py").write_text("import sys; print('compared'); sys.exit(1)", encoding="utf-8")
    assert run_tool.main(Path("summary.json"), ["tool.py", "--test_reference=reference.npz"]) == 1
    assert "the float network's scores is nearly constant, from 0 to 0" in capfd.readouterr().out


# Comparisons


def test_every_comparison_is_found_in_its_order() -> None:
    found = run_tool.comparisons(f"before\n{COMPARED}between\n{EXACT}after")
    assert found == [
        {
            "target": "net_tpu_outputs.npz",
            "cosine": 0.9992116689682007,
            "euclidean": 0.9602809532485028,
            "signal_to_noise": 2.9126963019371033,
        },
        {"target": "net_model_outputs.npz", "cosine": 1.0, "euclidean": 1.0, "signal_to_noise": None},
    ]


def test_negative_similarities_are_numbers() -> None:
    (found,) = run_tool.comparisons(FAILED)
    assert (found["euclidean"], found["signal_to_noise"]) == (-0.7946948897065018, -4.709098637104034)


@pytest.mark.parametrize("text", ["", "min_similiarity = ()", "Target x.npz"])
def test_without_comparisons_there_are_none(text: str) -> None:
    assert run_tool.comparisons(text) == []


def test_small_numbers_and_none_at_all_are_read() -> None:
    (found,) = run_tool.comparisons("min_similiarity = (1e-05, 0, nan)\nTarget a\n")
    assert (found["cosine"], found["euclidean"], found["signal_to_noise"]) == (1e-05, 0.0, None)


def test_a_similarity_that_is_no_number_is_still_json() -> None:
    found = run_tool.comparisons("min_similiarity = (nan, -inf, nan)\nTarget a\n")
    json.dumps(found, allow_nan=False)


# How a search ended


def ending(text: str, folder: Path, log: str = "", *options: str) -> dict[str, Any]:
    path = folder / "MixPrecSearcher"
    if log:
        path.write_text(log, encoding="utf-8")
    return run_tool.ending(text, path, ["run_qtable.py", "net.mlir", *options])


def test_int8_can_suffice(tmp_path: Path) -> None:
    assert ending(SUFFICES, tmp_path) == {"ending": "int8_suffices", "int8_cos": 0.9999, "expected_cos": 0.99}


def test_it_can_reach_what_was_expected(tmp_path: Path) -> None:
    found = ending(REACHED, tmp_path, "", "--expected_cos=0.999")
    assert found == {"ending": "reached", "int8_cos": 0.974851, "mix_cos": 0.999648, "expected_cos": 0.999}


def test_the_mixtures_that_were_tried_are_kept(tmp_path: Path) -> None:
    told = (
        "Processing a: 8%|8 | 4/48 [00:00<?]\nMixture: 2 layers in float, the last is a, b, Cos: 0.9901\n"
        "Mixture: 5 layers in float, the last is c, Cos: nan\r\n"
    )
    found = ending(told + REACHED, tmp_path, "", "--expected_cos=0.999")
    assert found["mixtures"] == [
        {"float_layers": 2, "last": "a, b", "cosine": 0.9901},
        {"float_layers": 5, "last": "c", "cosine": None},
    ]


def test_it_can_give_up(tmp_path: Path) -> None:
    found = ending(GAVE_UP, tmp_path, "", "--expected_cos=0.999")
    cosines = {"int8_cos": 0.5, "mix_cos": 0.9369, "expected_cos": 0.999}
    assert found.items() >= {"ending": "gave_up", **cosines}.items()


LAYERS = "No.0   : Layer: b    \t\tCos: 0.981000\nNo.1   : Layer: a_Conv    \t\tCos: 0.990000\n"
QUARTER = "Processing a: 46%|###| 6/13 [00:00<?, ?it/s]\n"
ALL = "Processing a: 100%|###| 13/13 [00:00<?, ?it/s]\n"


@pytest.mark.parametrize(
    ("text", "min_layer_cos", "has_no_layers", "cause", "remedy"),
    [
        (
            LAYERS, 0.98, True,
            "no layer is below min_layer_cos 0.98 (the least similar, b, has 0.981000), so none was tried",
            "Raise min_layer_cos.",
        ),
        (
            LAYERS, 0.99, True,
            "with each layer that was tried as float the outputs were less similar, and it was taken back",
            "Lower expected_cos, or name the float layers in a qtable of your own.",
        ),
        (
            LAYERS + QUARTER, 0.99, False, "more than a quarter of the layers would be float",
            "Lower expected_cos, or min_layer_cos so that only the least similar layers are tried.",
        ),
        (
            LAYERS + ALL, 0.99, False, "all layers below min_layer_cos 0.99 were tried",
            "Raise min_layer_cos, or lower expected_cos.",
        ),
    ],
)  # fmt: skip
def test_why_it_gave_up_is_told(
    text: str,
    min_layer_cos: float,
    has_no_layers: bool,  # noqa: FBT001 - a case
    cause: str,
    remedy: str,
) -> None:
    assert run_tool.why_it_gave_up(text, min_layer_cos, has_no_layers) == (cause, remedy)


@pytest.mark.parametrize("text", [SUFFICES, REACHED, GAVE_UP, ""])
def test_it_can_die_inside_whatever_it_prints(tmp_path: Path, text: str) -> None:
    found = ending(text, tmp_path, "INFO fine\nAn exception happened: lowering died \nmore\n")
    assert found == {"ending": "exception", "exception": "lowering died"}


@pytest.mark.parametrize("text", ["", "mix model outputs_cos:0.9", "int8 outputs_cos:0.9 old"])
def test_an_ending_that_it_does_not_tell_is_no_success(tmp_path: Path, text: str) -> None:
    assert ending(text, tmp_path)["ending"] == "exception"


def test_a_cosine_equal_to_the_expected_one_suffices(tmp_path: Path) -> None:
    text = "int8 outputs_cos:0.5 old\nmix model outputs_cos:0.99\n"
    assert ending(text, tmp_path)["ending"] == "reached"


# The whole step


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    workspace: Path, name: str, script: str, *arguments: str, flags: tuple[str, ...] = ()
) -> tuple[int, dict[str, Any]]:
    """The step's exit code and summary, for a tool that is a given script."""
    tool = workspace / name
    tool.write_text(script, encoding="utf-8")
    code = run_tool.main(Path("summary.json"), [*flags, str(tool), *arguments])
    summary = json.loads((workspace / "summary.json").read_text(encoding="utf-8"))
    return code, summary


TABLES = ("--quantize_table=qtable", "--loss_table=loss.txt")


def test_the_tools_output_goes_through_with_both_streams_in_their_order(
    workspace: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    script = "import os\nfor n in range(3):\n  os.write(1, b'out%d\\r' % n); os.write(2, b'err\\xff\\n')\n"
    code, summary = run(workspace, "model_deploy.py", script)
    assert capfdbinary.readouterr().out == b"".join(b"out%d\rerr\xff\n" % number for number in range(3))
    assert (code, summary) == (0, {"comparisons": []})


def test_the_tool_gets_its_arguments(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(workspace, "model_deploy.py", "import sys; print(sys.argv[1:])", "--a=b c", "--d")
    assert capfd.readouterr().out.strip() == "['--a=b c', '--d']"


def test_comparisons_are_summarised(workspace: Path) -> None:
    code, summary = run(workspace, "model_deploy.py", f"print({COMPARED!r})")
    assert code == 0
    assert [found["target"] for found in summary["comparisons"]] == ["net_tpu_outputs.npz"]


@pytest.mark.parametrize("exit_code", [1, 2, 77])
@pytest.mark.parametrize("name", ["model_deploy.py", "run_qtable.py"])
def test_a_tool_that_fails_has_its_exit_code(workspace: Path, name: str, exit_code: int) -> None:
    code, summary = run(workspace, name, f"print({FAILED!r}); raise SystemExit({exit_code})")
    assert code == exit_code
    assert len(summary["comparisons"]) == 1


def test_a_tool_that_is_killed_has_failed(workspace: Path) -> None:
    code, _summary = run(workspace, "model_deploy.py", "import os; os.kill(os.getpid(), 9)")
    assert code != 0


def test_a_search_that_reached_leaves_the_tools_tables(workspace: Path) -> None:
    script = f"print({REACHED!r}); open('qtable', 'w').write('# the tool\\nlayer BF16')"
    code, summary = run(workspace, "run_qtable.py", script, *TABLES, "--expected_cos=0.999")
    assert (code, summary["search"]["ending"]) == (0, "reached")
    assert (workspace / "qtable").read_text(encoding="utf-8") == "# the tool\nlayer BF16"


def test_where_int8_suffices_the_tables_have_no_layers(workspace: Path) -> None:
    code, summary = run(workspace, "run_qtable.py", f"print({SUFFICES!r})", *TABLES)
    assert (code, summary["search"]["ending"]) == (0, "int8_suffices")
    for name in ("qtable", "loss.txt"):
        lines = (workspace / name).read_text(encoding="utf-8").splitlines()
        assert lines
        assert all(line.startswith("#") for line in lines)


def test_a_search_that_gave_up_goes_on_with_its_table(workspace: Path) -> None:
    code, summary = run(workspace, "run_qtable.py", f"print({GAVE_UP!r})", *TABLES)
    assert (code, summary["search"]["ending"]) == (0, "gave_up")


def test_a_search_that_gave_up_fails_with_both_cosines_where_the_expected_one_is_required(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (run_tool.REQUIRE_EXPECTED_COS,)
    options = (*TABLES, "--expected_cos=0.999")
    code, summary = run(workspace, "run_qtable.py", f"print({GAVE_UP!r})", *options, flags=flags)
    assert (code, summary["search"]["ending"]) == (run_tool.GAVE_UP, "gave_up")
    said = capsys.readouterr().out
    for number in (summary["search"]["mix_cos"], summary["search"]["int8_cos"]):
        assert f"{number:.6f}" in said
    assert "0.999 expected" in said


@pytest.mark.parametrize("script", [REACHED, SUFFICES])
def test_to_require_the_expected_cosine_is_no_harm_where_it_is_reached(workspace: Path, script: str) -> None:
    flags = (run_tool.REQUIRE_EXPECTED_COS,)
    options = (*TABLES, "--expected_cos=0.99")
    code, _summary = run(workspace, "run_qtable.py", f"print({script!r})", *options, flags=flags)
    assert code == 0


def test_a_table_without_layers_is_as_good_as_int8(workspace: Path) -> None:
    script = f"print({GAVE_UP!r}); open('qtable', 'w').write('# op_name   quantize_mode\\n')"
    _code, summary = run(workspace, "run_qtable.py", script, *TABLES, "--expected_cos=0.999")
    assert summary["search"]["ending"] == "gave_up"
    assert summary["search"]["mix_cos"] == summary["search"]["int8_cos"]


def test_a_search_that_died_inside_fails_and_says_why(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = (
        f"print({REACHED!r}); open('MixPrecSearcher', 'w').write('An exception happened: lowering died\\n')\n"
    )
    code, summary = run(workspace, "run_qtable.py", script, *TABLES)
    assert (code, summary["search"]["ending"]) == (run_tool.EXCEPTION, "exception")
    assert "the search died: lowering died" in capsys.readouterr().out


def test_only_a_search_ends_like_one(workspace: Path) -> None:
    _code, summary = run(workspace, "model_deploy.py", f"print({SUFFICES!r})", *TABLES)
    assert "search" not in summary
    assert not (workspace / "qtable").exists()


def test_it_needs_nothing_but_pythons_own_library() -> None:
    source = Path(run_tool.__file__).read_text(encoding="utf-8")
    imported = {
        line.split()[1].partition(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported - {"__future__"} <= set(sys.stdlib_module_names)
