from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_engine import ACTION, FakeEngine, write_both

from cvimake.core import filesystem
from cvimake.core.action import Action, Folder, Input
from cvimake.core.content import Contents, is_known, unchanged
from cvimake.core.digest import of_text
from cvimake.core.errors import CvimakeError
from cvimake.execution import snapshot
from cvimake.execution.sandbox import Ran, Sandbox

SOURCE = Path("models/net/best.onnx")
DATASET = Folder(target="/dataset", files={"a.png": Path("samples/a.png"), "in/b.png": Path("samples/b.png")})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in ((SOURCE, "onnx"), (Path("samples/a.png"), "a"), (Path("samples/b.png"), "b")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
        (tmp_path / path).chmod(0o644)
    return tmp_path


def run(root: Path, act: Callable[[FakeEngine], None], action: Action = ACTION) -> Ran:
    def work(files: Path) -> None:
        act(engine)
        write_both(files)

    engine = FakeEngine(work)
    return Sandbox(root=root, engine=engine, image="sha256:abc").run(action)


def edited_and_back(path: Path) -> None:
    """Edits a file, and gives it back its bytes and its time of modification."""
    before, held = path.stat(), path.read_bytes()
    path.write_bytes(b"edited")
    path.write_bytes(held)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_run_is_recorded_with_the_digests_that_the_tool_read_and_wrote(root: Path) -> None:
    ran = run(root, lambda _engine: None)
    assert ran.inputs == {str(SOURCE): Contents().state(str(root / SOURCE))}
    assert ran.outputs == {
        str(file.path): Contents().state(str(root / file.path))[-1] for file in ACTION.outputs
    }


def test_an_edit_while_the_tool_runs_does_not_reach_it(root: Path) -> None:
    read: list[str] = []

    def edit(engine: FakeEngine) -> None:
        (root / SOURCE).write_text("edited", encoding="utf-8")
        read.append(engine.mount("/workspace/net.onnx").source.read_text(encoding="utf-8"))

    ran = run(root, edit)
    assert read == ["onnx"]
    assert ran.inputs[str(SOURCE)][-1] == of_text("onnx")


def test_results_of_a_large_input_that_was_edited_and_edited_back_are_dropped(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LARGEST_COPY", 3)
    ran = run(root, lambda _engine: None)
    assert ran.inputs[str(SOURCE)][-1] == of_text("onnx")
    results = [root / file.path for file in ACTION.outputs]
    for result in results:
        result.unlink()
    with pytest.raises(CvimakeError, match=r"net:transform: its input .*best\.onnx was changed while"):
        run(root, lambda _engine: edited_and_back(root / SOURCE))
    assert not any(result.exists() for result in results)


def test_a_large_input_is_read_where_it_lies_only_if_a_change_would_show(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: list[Path] = []

    def look(engine: FakeEngine) -> None:
        sources.append(engine.mount("/workspace/net.onnx").source)

    monkeypatch.setattr(snapshot, "LARGEST_COPY", 3)
    run(root, look)
    monkeypatch.setattr(filesystem, "_kind", lambda _device: "vfat")
    ran = run(root, look)
    assert sources[0] == root / SOURCE
    assert sources[1].is_relative_to(root / "build" / ".work")
    assert not is_known(ran.inputs[str(SOURCE)])


def test_a_folder_holds_its_members_in_copies_that_all_stages_share(root: Path) -> None:
    before = Contents().state(str(root / "samples/a.png"))
    seen: list[Path] = []

    def look(engine: FakeEngine) -> None:
        place = engine.mount("/dataset").source
        seen.append(place / "in/b.png")
        assert sorted(path.name for path in place.rglob("*.png")) == ["a.png", "b.png"]
        (root / "samples/b.png").write_text("edited", encoding="utf-8")
        assert (place / "in/b.png").read_text(encoding="utf-8") == "b"
        (root / "samples/b.png").write_text("b", encoding="utf-8")

    action = dataclasses.replace(ACTION, folders=(DATASET,))
    ran = run(root, look, action)
    assert ran.inputs["samples/b.png"][-1] == of_text("b")
    run(root, look, dataclasses.replace(action, name="net:other"))
    assert seen[0] != seen[1]
    assert seen[0].samefile(seen[1])
    assert unchanged(root / "samples/a.png", before), "its time of change tells of edits alone"


def test_a_member_that_no_stage_reads_any_more_is_removed(root: Path) -> None:
    action = dataclasses.replace(ACTION, folders=(DATASET,))
    run(root, lambda _engine: None, action)
    (root / "samples/b.png").write_text("other", encoding="utf-8")
    run(root, lambda _engine: None, action)
    members = {path.name for path in (root / "build/.inputs/.members").iterdir()}
    assert members == {of_text("a"), of_text("other")}


def test_a_damaged_copy_of_a_member_is_made_anew(root: Path) -> None:
    action = dataclasses.replace(ACTION, folders=(DATASET,))
    run(root, lambda _engine: None, action)
    copy = root / "build/.inputs/.members" / of_text("a")
    copy.chmod(0o644)
    copy.write_text("damaged", encoding="utf-8")
    read: list[str] = []

    def look(engine: FakeEngine) -> None:
        read.append((engine.mount("/dataset").source / "a.png").read_text(encoding="utf-8"))

    run(root, look, dataclasses.replace(action, name="net:other"))
    assert read == ["a"]


def test_two_inputs_may_be_one_file(root: Path) -> None:
    inputs = tuple(Input(name=name, path=SOURCE) for name in ("one", "other"))
    sources: list[Path] = []

    def look(engine: FakeEngine) -> None:
        sources.extend(engine.mount(f"/workspace/{name}").source for name in ("one", "other"))

    ran = run(root, look, dataclasses.replace(ACTION, inputs=inputs))
    assert ran.inputs.keys() == {str(SOURCE)}
    assert len(set(sources)) == 1


def test_a_file_that_is_edited_between_two_copies_of_it_stops_the_stage(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image can be both a test image and a sample."""
    inputs = (Input(name="a.png", path=Path("samples/a.png")),)
    fill = snapshot._filled

    def edit_and_fill(place: Path, folder: Folder, project: Path, contents: Contents) -> object:
        (root / "samples/a.png").write_text("edited", encoding="utf-8")
        return fill(place, folder, project, contents)

    monkeypatch.setattr(snapshot, "_filled", edit_and_fill)
    with pytest.raises(CvimakeError, match=r"its input samples/a\.png was edited as the stage began"):
        run(root, lambda _engine: None, dataclasses.replace(ACTION, inputs=inputs, folders=(DATASET,)))
