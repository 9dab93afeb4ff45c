"""Builds that share a store: real graph, records and reports over a fake sandbox."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphs import STAGES, Workshop, take_store

from cvimake.builder.store import Entry, Store
from cvimake.core.action import Action
from cvimake.execution.sandbox import Ran

# An edit of the declaration that makes another calibration.
FEWER = ('dataset = "samples"', 'dataset = "samples"\ninput_num = 4')

OpenWorkshop = Callable[[str], Workshop]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return take_store(tmp_path, monkeypatch)


@pytest.fixture
def workshop(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenWorkshop:
    del store
    monkeypatch.delenv("CVIMAKE_STORE_READ_ONLY", raising=False)

    def opened(name: str) -> Workshop:
        root = tmp_path / name
        root.mkdir()
        return Workshop(root, monkeypatch)

    return opened


def results(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "build" / "m0000").iterdir())}


def test_another_project_restores_everything_from_the_store(workshop: OpenWorkshop, tmp_path: Path) -> None:
    first = workshop("first")
    assert sorted(first.build()) == sorted(STAGES)
    second = workshop("second")
    assert second.build("--output-file", str(tmp_path / "shown")) == []
    shown = (tmp_path / "shown").read_text(encoding="utf-8")
    assert results(second.root) == results(first.root)
    assert "1 built, 8 from the store, 0 unchanged" in shown
    assert "m0000:mlir: from the store in" in shown
    # It is recorded like a build.
    assert second.build("--output-file", str(tmp_path / "shown")) == []
    assert "0 built, 9 unchanged" in (tmp_path / "shown").read_text(encoding="utf-8")


def test_a_changed_stage_and_those_after_it_are_built(workshop: OpenWorkshop) -> None:
    workshop("first").build()
    second = workshop("second")
    second.declare(*FEWER)
    ran = second.build()
    assert "m0000:calibration" in ran
    assert "m0000:mlir" not in ran


def test_going_back_and_forth_between_two_declarations_builds_each_once(workshop: OpenWorkshop) -> None:
    first = workshop("first")
    first.build()
    first.declare(*FEWER)
    assert first.build()
    before = results(first.root)
    first.declare(*reversed(FEWER))
    assert first.build() == []
    first.declare(*FEWER)
    assert first.build() == []
    assert results(first.root) == before


def test_another_toolchain_restores_nothing(workshop: OpenWorkshop) -> None:
    workshop("first").build()
    second = workshop("second")
    second.identity["python"] = "3.10.15"
    assert sorted(second.build()) == sorted(STAGES)


def test_always_execute_ignores_the_store(workshop: OpenWorkshop) -> None:
    first = workshop("first")
    first.build()
    assert sorted(first.build("--always-execute")) == sorted(STAGES)


def test_a_failed_stage_is_not_kept(workshop: OpenWorkshop) -> None:
    first = workshop("first")
    first.failing.add("m0000:calibration")
    first.build("m0000:calibration")
    first.failing.clear()
    assert first.build("m0000:calibration") == ["m0000:calibration"]


def test_a_store_entry_is_keyed_by_the_bytes_that_the_tool_read(
    workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workshop("first")
    source = first.root / "models" / "m0000" / "tiny.onnx"
    run = Workshop.run

    def run_and_edit(self: Workshop, action: Action, *others: Any) -> Ran:  # noqa: ANN401 - as it is called
        ran = run(self, action, *others)
        source.write_bytes(b"edited")
        return ran

    monkeypatch.setattr(Workshop, "run", run_and_edit)
    first.build("m0000:onnx")
    monkeypatch.setattr(Workshop, "run", run)
    second = workshop("second")
    assert second.build("m0000:onnx") == []
    third = workshop("third")
    (third.root / "models" / "m0000" / "tiny.onnx").write_bytes(b"edited")
    assert third.build("m0000:onnx") == ["m0000:onnx"]


def test_a_damaged_store_means_building(
    workshop: OpenWorkshop, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = workshop("first")
    first.build()
    for path in store.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    second = workshop("second")
    assert sorted(second.build()) == sorted(STAGES)
    assert results(second.root) == results(first.root)
    assert "is damaged; building instead" in capsys.readouterr().err


def test_damaged_and_missing_blobs_mean_building(workshop: OpenWorkshop, store: Path) -> None:
    first = workshop("first")
    first.build()
    for number, blob in enumerate(sorted(path for path in store.glob("blobs/*/*"))):
        if number % 3 == 0:
            blob.write_bytes(blob.read_bytes()[:-1] + b"!")
        elif number % 3 == 1:
            blob.unlink()
    second = workshop("second")
    assert second.build()
    assert results(second.root) == results(first.root)


def test_a_full_disk_is_said_when_results_come_from_the_store(
    workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workshop("first").build()
    second = workshop("second")

    def full(_files: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cvimake.builder.restore.publish", full)
    assert second.doit("run", "--output-file", str(tmp_path / "shown")) == 2
    assert "m0000:onnx: the disk is full" in (tmp_path / "shown").read_text(encoding="utf-8")


def test_plan_says_what_would_come_from_the_store(
    workshop: OpenWorkshop, capsys: pytest.CaptureFixture[str]
) -> None:
    first = workshop("first")
    first.build()
    first.doit("clean", "m0000")
    capsys.readouterr()
    first.doit("plan", "--json")
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert {stage["stage"]: stage["from_store"] for stage in stages} == dict.fromkeys(STAGES, True)
    first.declare(*FEWER)
    first.doit("plan", "--json")
    stages = json.loads(capsys.readouterr().out)["stages"]
    kept = {stage["stage"] for stage in stages if stage["from_store"]}
    assert "m0000:mlir" in kept
    assert "m0000:calibration" not in kept
    assert "m0000:int8" not in kept
    first.doit("plan")
    assert "from the store" in capsys.readouterr().out


def test_plan_knows_nothing_before_the_toolchain_is_known(
    workshop: OpenWorkshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop("first").build()
    second = workshop("second")
    capsys.readouterr()
    second.doit("plan", "--json")
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert not any(stage["from_store"] for stage in stages)


def test_a_log_says_that_the_stage_did_not_run_here(
    workshop: OpenWorkshop, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop("first").build()
    second = workshop("second")
    second.build()
    capsys.readouterr()
    second.doit("log", "m0000:mlir")
    shown = capsys.readouterr().out
    assert "./doit --always-execute --single m0000:mlir runs it" in shown
    log = second.root / "build" / "logs" / "m0000" / "mlir.log"
    assert "its outputs came from the store" in log.read_text(encoding="utf-8")
    assert "By hand" not in shown


def test_the_store_is_shown_emptied_and_verified(
    workshop: OpenWorkshop, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = workshop("first")
    first.build()
    workshop("second").build()
    capsys.readouterr()
    assert first.doit("store", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["store"] == str(store)
    assert (facts["results"], facts["hits"], facts["misses"], facts["kept"]) == (8, 8, 8, 8)
    assert first.doit("store") == 0
    assert "hits     8 of 16 stages (50 %)" in capsys.readouterr().out
    assert first.doit("store:verify") == 0
    blob = next(path for path in (store / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(b"damaged")
    capsys.readouterr()
    assert first.doit("store:verify") == 1
    shown = capsys.readouterr().out
    assert f"{blob.relative_to(store)} is damaged" in shown
    assert "has an output that is missing or damaged" in shown
    assert first.doit("store:verify") == 0
    assert first.doit("store:gc", "--limit", "0") == 0
    assert [path for path in store.rglob("*") if path.is_file()] == []


def test_a_store_that_is_read_only_is_not_emptied(
    workshop: OpenWorkshop, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = workshop("first")
    first.build()
    monkeypatch.setenv("CVIMAKE_STORE_READ_ONLY", "1")
    assert first.doit("store:gc", "--limit", "0") == 2
    assert "is used read only here" in capsys.readouterr().err
    assert any(path.is_file() for path in store.rglob("*"))


def test_no_store_is_said(
    workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CVIMAKE_STORE", "none")
    first = workshop("first")
    assert sorted(first.build()) == sorted(STAGES)
    capsys.readouterr()
    assert first.doit("store") == 0
    assert capsys.readouterr().out == "no results are kept: the store is `none`\n"


@pytest.fixture
def edited_while_looked_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, bytes], None]:
    """Has a file edited while the store looks for the first stage."""
    find = Store.find

    def edit(path: Path, held: bytes) -> None:
        def find_and_edit(store: Store, key: str) -> Entry | None:
            found = find(store, key)
            path.write_bytes(held)
            monkeypatch.setattr(Store, "find", find)
            return found

        monkeypatch.setattr(Store, "find", find_and_edit)

    return edit


def test_an_edit_while_a_result_is_found_in_the_store_is_not_recorded_as_built(
    workshop: OpenWorkshop, edited_while_looked_for: Callable[[Path, bytes], None]
) -> None:
    workshop("first").build("m0000:onnx")
    second = workshop("second")
    edited_while_looked_for(second.root / "models" / "m0000" / "tiny.onnx", b"edited")
    assert second.build("m0000:onnx") == [], "it was found by what the source held before"
    assert second.build("m0000:onnx") == ["m0000:onnx"]


def test_an_edit_while_a_result_is_looked_for_in_vain_is_built_and_kept_as_it_is(
    workshop: OpenWorkshop, edited_while_looked_for: Callable[[Path, bytes], None]
) -> None:
    first = workshop("first")
    source = first.root / "models" / "m0000" / "tiny.onnx"
    before = source.read_bytes()
    edited_while_looked_for(source, b"edited")
    assert first.build("m0000:onnx") == ["m0000:onnx"]
    assert first.build("m0000:onnx") == []
    second = workshop("second")
    (second.root / "models" / "m0000" / "tiny.onnx").write_bytes(b"edited")
    assert second.build("m0000:onnx") == []
    assert results(second.root) == results(first.root)
    (second.root / "models" / "m0000" / "tiny.onnx").write_bytes(before)
    assert second.build("m0000:onnx") == ["m0000:onnx"]
