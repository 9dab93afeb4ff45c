from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from graphs import STAGES, Workshop

from cvimake.cli import disk_use
from cvimake.cli.clean import Clean
from cvimake.core import lock
from cvimake.core.errors import EngineError
from cvimake.execution import parts
from cvimake.execution.engine import connection


@pytest.fixture
def renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A project that was built, and whose model was renamed then."""
    workshop = Workshop(tmp_path, monkeypatch)
    assert sorted(workshop.build()) == sorted(STAGES)
    (tmp_path / "models" / "m0000").rename(tmp_path / "models" / "renamed")
    return workshop


def results(workshop: Workshop, name: str = "m0000") -> list[Path]:
    return list((workshop.root / "build").glob(f"{name}/*"))


@pytest.mark.parametrize("arguments", [(), ("m0000",)])
def test_the_results_of_a_renamed_model_are_removed(renamed: Workshop, arguments: tuple[str, ...]) -> None:
    assert results(renamed)
    assert renamed.doit("clean", *arguments) == 0
    assert results(renamed) == []
    assert not (renamed.root / "build" / "logs" / "m0000").exists()


def test_a_trial_only_says_what_would_be_removed(renamed: Workshop) -> None:
    before = results(renamed)
    assert renamed.doit("clean", "-n", "m0000") == 0
    assert results(renamed) == before


def test_clean_removes_only_the_named_model(renamed: Workshop) -> None:
    renamed.doit("run")
    before = results(renamed)
    assert results(renamed, "renamed")
    assert renamed.doit("clean", "renamed") == 0
    assert results(renamed, "renamed") == []
    assert results(renamed) == before


def test_the_results_of_a_model_that_cannot_be_built_are_removed(renamed: Workshop) -> None:
    declaration = renamed.root / "models" / "renamed" / "model.toml"
    renamed.doit("run")
    declaration.write_text("sauce = 1\n", encoding="utf-8")
    assert renamed.doit("clean", "renamed") == 0
    assert results(renamed, "renamed") == []


def test_a_name_that_nobody_knows_is_refused(renamed: Workshop) -> None:
    assert renamed.doit("clean", "nobody") == 3


@pytest.mark.parametrize(
    ("arguments", "stay"),
    [
        ((), set()),
        (("m0000",), {"other:int8_accuracy"}),
        (("renamed", "other:int8_accuracy"), {"m0000:mix_accuracy"}),
        (("-n",), {"m0000:mix_accuracy", "other:int8_accuracy"}),
    ],
)
def test_parts_of_stages_that_were_killed_are_removed(
    renamed: Workshop, arguments: tuple[str, ...], stay: set[str]
) -> None:
    for name in ("m0000:mix_accuracy", "other:int8_accuracy"):
        key = parts.folder_of(renamed.root, name) / ("0" * 64)
        key.mkdir(parents=True)
        (key / "0.json").write_text("{}", encoding="utf-8")
    renamed.doit("clean", *arguments)
    assert set(parts.names(renamed.root)) == stay


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A project with everything that takes disk space beside the results, and no engine."""
    workshop = Workshop(tmp_path, monkeypatch)
    workshop.build()

    def find(_environment: object) -> None:
        raise EngineError("no Docker engine answers")

    monkeypatch.setattr(connection, "find", find)
    monkeypatch.setattr(disk_use, "user_cache", lambda _environment: tmp_path / "cache")
    monkeypatch.setenv("CVIMAKE_STORE", str(tmp_path / "store"))
    for name in (
        "cache/tpu_mlir-1",
        "build/.inputs/m0000/int8",
        "build/.inputs/.locks",
        "build/shell/m0000/int8",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(b"x" * 5000)
    monkeypatch.setattr("cvimake.builder.store.eviction._BEING_KEPT", -1.0)
    (tmp_path / "store" / "blobs").mkdir(parents=True)
    (tmp_path / "store" / "blobs" / "old").write_bytes(b"x" * 5000)
    return workshop


PLACES = {
    "store": "store/blobs/old", "toolchain": "cache/tpu_mlir-1", "inputs": "build/.inputs/m0000",
    "shell": "build/shell",
}  # fmt: skip


def are_there(workshop: Workshop) -> set[str]:
    return {name for name, place in PLACES.items() if (workshop.root / place).exists()}


def test_without_a_name_the_cache_is_listed_and_stays(
    full: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert full.doit("clean", "--cache") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(PLACES)
    assert all("kB in /" in line for line in lines[:-1])
    assert lines[-1] == "Nothing was removed. ./doit clean --cache NAME ... removes it."
    assert are_there(full) == {*PLACES}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_named_is_removed_and_nothing_else(full: Workshop, name: str) -> None:
    before = results(full)
    assert full.doit("clean", "-n", "--cache", name) == 0
    assert are_there(full) == {*PLACES}
    assert full.doit("clean", "--cache", name) == 0
    assert are_there(full) == {*PLACES} - {name}
    assert results(full) == before


def test_everything_can_be_removed_at_once(full: Workshop) -> None:
    assert full.doit("clean", "--cache", "all") == 0
    assert are_there(full) == set()


def test_another_name_is_refused_and_nothing_is_removed(
    full: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert full.doit("clean", "--cache", "shell", "m0000") == 2
    assert "`clean --cache` cannot remove m0000" in capsys.readouterr().err
    assert are_there(full) == {*PLACES}


def test_the_files_of_an_open_shell_stay(full: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    with lock.exclusive(full.root / "build/shell/m0000/.int8.lock", "has a shell open"):
        assert full.doit("clean", "--cache", "shell") == 2
    assert "has a shell open" in capsys.readouterr().err
    assert are_there(full) == {*PLACES}


def test_the_images_of_the_engine_are_counted_once_and_removed_in_order(
    full: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def image(name: str, layers: list[str], size: int, created: str) -> SimpleNamespace:
        attrs = {"RootFS": {"Layers": layers}, "Size": size, "Created": created}
        return SimpleNamespace(id=name, tags=[name], attrs=attrs)

    held = {
        "cvimake/tpu_mlir": [
            image("tools", ["a", "b"], 30, "2"),
            image("frameworks", ["a", "b", "c"], 70, "3"),
        ],
        "cvimake/base": [image("base", ["a"], 10, "1")],
    }
    images = SimpleNamespace(list=lambda name: held[name], remove=lambda name, **_force: removed.append(name))
    monkeypatch.setattr(connection, "find", lambda _environment: SimpleNamespace(images=images))
    found = {use.name: use for use in disk_use.find(full.root, {"CVIMAKE_STORE": "none"})}
    # Each without the part that it shares with the one below it.
    assert (found["images"].size, found["base"].size) == (20 + 40, 10)
    found["images"].remove()
    # An image goes before the one that it was made on.
    assert removed == ["frameworks", "tools"]


def test_the_command_is_called_clean() -> None:
    assert Clean.get_name() == "clean"
