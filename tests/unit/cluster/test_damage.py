from __future__ import annotations

import hashlib

import pytest

from cvimake.builder.store import Blob, Entry
from cvimake.cluster import wire
from cvimake.cluster.damage import DamagedWorkerError, judged

FAILED = wire.ToolFailed(id="x", cause="net:mlir: exit code 1", remedy="", link="", excerpt=(), log=None)


def made(*contents: str) -> wire.Done:
    blobs = {
        f"file{number}": Blob(sha256=hashlib.sha256(content.encode()).hexdigest(), size=len(content))
        for number, content in enumerate(contents)
    }
    return wire.Done(key="k", entry=Entry(action="net:mlir", seconds=1.0, outputs=blobs), log=None)


X, Y, Z = made("x", "same"), made("y", "same"), made("z", "same")


@pytest.mark.parametrize(
    ("runs", "named", "reply"),
    [
        ({"a": X}, "", X),
        ({"a": X, "b": X}, "", X),
        ({"a": FAILED, "b": FAILED}, "", FAILED),
        ({"a": X, "b": Y}, "ab", None),
        ({"a": X, "b": FAILED}, "ab", None),
        ({"a": X, "b": Y, "c": X}, "b", X),
        ({"a": X, "b": Y, "c": Y}, "a", Y),
        ({"a": X, "b": FAILED, "c": FAILED}, "a", FAILED),
        ({"a": X, "b": Y, "c": Z}, "abc", None),
    ],
)
def test_two_workers_against_one_name_the_damaged_one(
    runs: dict[str, wire.Done | wire.ToolFailed], named: str, reply: wire.Done | wire.ToolFailed | None
) -> None:
    verdict = judged(runs)
    assert verdict.named == tuple(named)
    assert verdict.reply == reply


def test_results_of_one_tool_on_another_time_are_the_same() -> None:
    later = X.model_copy(update={"entry": X.entry.model_copy(update={"seconds": 9.0, "cores": 4})})
    assert not judged({"a": X, "b": later}).named


def test_the_error_names_the_worker_the_files_and_what_to_do() -> None:
    error = DamagedWorkerError("net:mlir", judged({"a": X, "b": Y, "c": X}), ["net:onnx", "net:int8"])
    assert error.exit_code == 1
    assert str(error).splitlines() == [
        "net:mlir: b has not made the same as a and c, and is taken to be damaged",
        "  file0: sha256 2d711642b726 on a, a1fce4363854 on b, 2d711642b726 on c",
        "  No further stage of this build runs on b.",
        "  Look at memory, processor and disk of the machine before it takes stages again.",
        "  The result of a and c is in the store: the next ./doit takes it.",
        "  Not compared, and made by b in this build: net:onnx, net:int8.",
        "  They are no longer in the store, but still in build/. This makes them anew, elsewhere:",
        "  ./doit --always-execute --single net:onnx net:int8",
    ]


def test_without_a_majority_the_error_names_all() -> None:
    error = DamagedWorkerError("net:mlir", judged({"a": X, "b": FAILED}), [], "the store is slow")
    lines = str(error).splitlines()
    assert lines[0] == "net:mlir: a and b have not made the same, so at least one of them is damaged"
    assert lines[1] == "  The tool failed on b: net:mlir: exit code 1"
    assert "  With a third worker, the build finds out which one it is." in lines
    assert "may hold wrong results: the store is slow" in lines[-1]
    assert "With a third" not in str(DamagedWorkerError("n", judged({"a": X, "b": Y, "c": Z}), []))


def test_many_results_that_were_not_compared_are_counted() -> None:
    error = DamagedWorkerError("net:mlir", judged({"a": X, "b": Y}), [f"m{n}:onnx" for n in range(25)])
    assert "m19:onnx and 5 more" in str(error)
    assert str(error).endswith("./doit --always-execute")
