"""Files that are edited at the worst moment: what is recorded is what was compared, or what ran."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from graphs import Workshop

from cvimake.builder.content_checker import ContentChecker
from cvimake.core import content
from cvimake.core.filesystem import FileSystems


@pytest.fixture
def source(workshop: Workshop) -> Path:
    return workshop.root / "models" / "m0000" / "tiny.onnx"


def build(workshop: Workshop, *arguments: str) -> list[str]:
    """A build by a process of its own."""
    return workshop.build("--output-file", os.devnull, *arguments)


def test_an_edit_after_the_comparison_is_not_recorded_as_built(
    workshop: Workshop, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(workshop, "m0000:onnx")
    os.utime(source)
    compare = ContentChecker.check_modified

    def compare_and_edit(checker: ContentChecker, path: str, *arguments: object) -> bool:
        modified = compare(checker, path, *arguments)  # type: ignore[arg-type]
        if Path(path).name == source.name:
            source.write_bytes(b"edited")
        return modified

    monkeypatch.setattr(ContentChecker, "check_modified", compare_and_edit)
    assert build(workshop, "m0000:onnx") == []
    monkeypatch.setattr(ContentChecker, "check_modified", compare)
    assert build(workshop, "m0000:onnx") == ["m0000:onnx"]


def test_files_that_were_only_touched_are_read_once_more_and_not_in_every_build(
    workshop: Workshop, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(workshop)
    result = next((workshop.root / "build" / "m0000").glob("*.mlir"))
    os.utime(source)
    os.utime(result)
    read: list[str] = []
    observed = content.observed

    def note(path: Path, digest: Callable[..., str], file_systems: FileSystems) -> content.State:
        read.append(path.name)
        return observed(path, digest, file_systems)

    monkeypatch.setattr(content, "observed", note)
    assert build(workshop) == []
    assert sorted(read) == sorted([source.name, result.name])
    read.clear()
    assert build(workshop) == []
    assert read == []
