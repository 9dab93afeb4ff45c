from __future__ import annotations

from pathlib import Path

import pytest
import small_checkpoints
from small_networks import exported_bytes

from cvimake.cli import netron_page
from cvimake.cli.view import View

INDEX = '<meta name="version" content="9.3.3">'
HEADS = "/model.23/cv3.0/cv3.0.2/Conv_output_0"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a model, and a Netron whose server is interrupted at once."""
    netron = tmp_path / "netron"
    netron.mkdir()
    (netron / "index.html").write_text(INDEX, encoding="utf-8")
    monkeypatch.setattr(netron_page, "netron_folder", lambda: netron)
    monkeypatch.setattr(netron_page.Server, "serve_forever", interrupted)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CVIMAKE_INVOKED_FROM", raising=False)
    model = tmp_path / "models" / "mine"
    model.mkdir(parents=True)
    (model / "net.onnx").write_bytes(exported_bytes("yolo11n"))
    (model / "model.toml").write_text(
        'source = "net.onnx"\n[output]\nnames = ["my_head"]\n', encoding="utf-8"
    )
    return tmp_path


def interrupted(_server: netron_page.Server) -> None:
    raise KeyboardInterrupt


def view(*arguments: str) -> int:
    return int(View().parse_execute(list(arguments)) or 0)


def test_a_model_is_shown_with_the_outputs_that_it_declares(capsys: pytest.CaptureFixture[str]) -> None:
    assert view("mine") == 0
    out = capsys.readouterr().out
    assert "model.toml says:\n  my_head\n" in out
    assert "net.onnx is at http://127.0.0.1:" in out


def test_a_file_is_shown_with_the_outputs_that_init_would_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert view("models/mine/net.onnx") == 0
    out = capsys.readouterr().out
    assert "as `init` chooses them for YOLO11" in out
    assert HEADS in out


def test_a_checkpoint_is_shown_as_it_was_exported(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_checkpoints.write(project / "models/mine/best.pt", *small_checkpoints.ULTRALYTICS)
    (project / "models/mine/model.toml").write_text('source = "best.pt"\n', encoding="utf-8")
    assert view("mine") == 0
    assert "best.pt is at http://127.0.0.1:" in capsys.readouterr().out
    made = project / "build" / "mine" / "mine_export.onnx"
    made.parent.mkdir(parents=True)
    made.write_bytes(exported_bytes("yolo11n"))
    assert view("mine") == 0
    assert "mine_export.onnx is at http://127.0.0.1:" in capsys.readouterr().out


def test_without_declared_outputs_the_network_has_its_own(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "models/mine/model.toml").write_text('source = "net.onnx"\n', encoding="utf-8")
    assert view("mine") == 0
    assert "outputs: the network's own" in capsys.readouterr().out


def test_a_missing_file_is_reported(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view("other") == 2
    assert "neither a model nor a file 'other'" in capsys.readouterr().err
    (project / "models/mine/net.onnx").unlink()
    assert view("mine") == 2
    assert "is not there" in capsys.readouterr().err
    assert view() == 2
    assert "takes one model or file" in capsys.readouterr().err


def test_a_port_that_cannot_be_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert view("mine", "--port", "99999") == 2
    assert "port 99999 cannot be served" in capsys.readouterr().err
