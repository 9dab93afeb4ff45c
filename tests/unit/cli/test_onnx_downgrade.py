from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from cvimake.cli.onnx_downgrade import OnnxDowngrade, described
from cvimake.core.action import Action
from cvimake.execution import runtime

TINY = Path(__file__).parents[2] / "models" / "tiny" / "tiny.onnx"
SUMMARY: dict[str, Any] = {
    "source": {"ir": 9, "opset": 20},
    "result": {"ir": 8, "opset": 17},
    "by": "rewrites",
    "rewritten": {"Gelu": 2, "Split": 1},
    "tidied": {"inlined functions": 3},
    "differences": {"normal": 1e-6, "uniform": 3e-7},
    "largest_difference": 1.23e-6,
}
DEFAULTS: dict[str, Any] = {"opset": 17, "ir": 8, "shapes": "", "force": False}


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Action]:
    """A folder with an ONNX file, and a sandbox that writes what the program would."""
    shutil.copy(TINY, tmp_path / "in.onnx")
    (tmp_path / "rubbish.onnx").write_bytes(b"rubbish")
    monkeypatch.setenv("CVIMAKE_INVOKED_FROM", str(tmp_path))
    actions: list[Action] = []

    def run(action: Action) -> None:
        actions.append(action)
        result, summary = action.outputs
        result.path.write_bytes(b"\x08converted")
        summary.path.write_text(json.dumps(SUMMARY), encoding="utf-8")

    made = SimpleNamespace(sandbox=SimpleNamespace(run=run))
    monkeypatch.setattr(runtime.Runtimes, "plain", lambda _root: made)
    return actions


def execute(*arguments: str, **options: object) -> int:
    return OnnxDowngrade().execute({**DEFAULTS, **options}, list(arguments))


def test_onnx_downgrade_converts_and_reports(
    ran: list[Action], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute("in.onnx", "out.onnx", opset=13, ir=7, shapes="[[1,3,64,64]]") == 0
    assert (tmp_path / "out.onnx").read_bytes() == b"\x08converted"
    (action,) = ran
    assert action.inputs[0].path == tmp_path / "in.onnx"
    options = action.argv[action.argv.index("summary.json") + 1 :]
    assert options == ("--opset=13", "--ir=7", "--input-shapes=[[1,3,64,64]]", "--keep-metadata", "--figures")
    assert capsys.readouterr().out.splitlines() == [
        "is           IR 8, opset 17, from IR 9, opset 20",
        "by           rewrites: 2 Gelu, 1 Split",
        "and          inlined functions: 3",
        "differs by   1.2e-06 at most (inputs: normal, uniform)",
    ]


def test_options_can_stand_anywhere(ran: list[Action]) -> None:
    assert OnnxDowngrade().parse_execute(["in.onnx", "--opset", "13", "out.onnx", "--ir=7", "--force"]) == 0
    assert "--opset=13" in ran[0].argv
    assert "--ir=7" in ran[0].argv


def test_onnx_downgrade_says_if_nothing_had_to_change() -> None:
    told = described(
        {
            **SUMMARY, "source": {"ir": 8, "opset": 17}, "by": None, "rewritten": {}, "tidied": {},
            "differences": {}, "largest_difference": 0.0, "difference_from_float16": 0.001,
        }
    )  # fmt: skip
    assert told == [
        "is           IR 8, opset 17",
        "differs by   nothing: what computes is as it was",
        "and          0.001 from what it computed in float16",
    ]


def test_nothing_is_overwritten_unless_it_is_forced(
    ran: list[Action], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.onnx").write_bytes(b"mine")
    assert execute("in.onnx", "out.onnx") == 2
    assert "out.onnx is there already\n  --force replaces it." in capsys.readouterr().err
    assert (tmp_path / "out.onnx").read_bytes() == b"mine"
    assert execute("in.onnx", "out.onnx", force=True) == 0
    assert (tmp_path / "out.onnx").read_bytes() != b"mine"
    assert len(ran) == 1


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        (["in.onnx"], {}, "takes two files"),
        (["no.onnx", "out.onnx"], {}, "no file"),
        (["in.onnx", "no/out.onnx"], {}, "cannot be written"),
        (["in.onnx", "in.onnx"], {"force": True}, "is the source itself"),
        (["in.onnx", "out.onnx"], {"opset": 18}, "--opset is from 11 to 17, not 18"),
        (["in.onnx", "out.onnx"], {"ir": 2}, "--ir is from 3 to 13, not 2"),
        (["in.onnx", "out.onnx"], {"shapes": "640"}, "no list of shapes"),
        (["in.onnx", "out.onnx"], {"shapes": "[[1,"}, "no list of shapes"),
        (["in.onnx", "out.onnx"], {"shapes": "[[1, 0]]"}, "no list of shapes"),
        (["rubbish.onnx", "out.onnx"], {}, "is not an ONNX file"),
    ],
)
def test_senseless_options_are_refused(
    ran: list[Action],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    options: dict[str, object],
    told: str,
) -> None:
    assert execute(*arguments, **options) == 2
    assert told in capsys.readouterr().err
    assert not ran


def with_weights_in(path: Path, *names: str) -> None:
    model = onnx.load(path)
    for tensor, name in zip(model.graph.initializer, names, strict=False):
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.append(onnx.StringStringEntryProto(key="location", value=name))
    path.write_bytes(model.SerializeToString())


def test_weights_beside_it_go_along(ran: list[Action], tmp_path: Path) -> None:
    with_weights_in(tmp_path / "in.onnx", "in.onnx.data", "sub/w.bin")
    (tmp_path / "sub").mkdir()
    for name in ("in.onnx.data", "sub/w.bin"):
        (tmp_path / name).touch()
    assert execute("in.onnx", "out.onnx") == 0
    assert ran[0].folders[1].files.keys() == {"in.onnx.data", "sub/w.bin"}
    assert "--external=/external" in ran[0].argv


@pytest.mark.parametrize(("name", "told"), [("../w", "leads out of"), ("w", "no such file beside it")])
def test_weights_elsewhere_are_refused(
    ran: list[Action], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    with_weights_in(tmp_path / "in.onnx", name)
    assert execute("in.onnx", "out.onnx") == 2
    assert told in capsys.readouterr().err
    assert not ran
