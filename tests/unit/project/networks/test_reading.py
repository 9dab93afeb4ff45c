from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_networks import exported, exported_bytes

from cvimake.core.errors import CvimakeError
from cvimake.core.protobuf import varint
from cvimake.project.networks import reading
from cvimake.project.networks.network import Network
from cvimake.project.networks.readers import Readers

MEBIBYTE = 1024**2
FILE = 59 * MEBIBYTE


def message(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def onnx_file(graph: bytes) -> bytes:
    return number(1, 8) + message(8, number(2, 17)) + message(7, graph)


def an_input(axes: bytes) -> bytes:

    return message(11, message(1, b"x") + message(2, message(1, number(1, 1) + message(2, axes))))


def a_node(inside: bytes) -> bytes:
    return message(1, message(1, b"x") + message(2, b"y") + message(4, b"Relu") + inside)


def copies(count: int) -> bytes:
    """Operators that each put out their input."""
    return b"".join(
        message(1, message(1, b"x") + message(2, b"t%d" % each) + message(4, b"Identity"))
        for each in range(count)
    )


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty operators": lambda: message(1, b"") * (FILE // 2),
    "empty attributes": lambda: a_node(message(5, b"") * (FILE // 2)),
    "empty inputs": lambda: a_node(message(1, b"") * (FILE // 2)),
    "empty axes": lambda: an_input(message(1, b"") * (FILE // 2)),
    "names": lambda: b"".join(message(1, message(2, b"%x" % each)) for each in range(2_000_000)),
    "numbers in an attribute": lambda: a_node(message(5, number(20, 7) + message(8, b"\x01" * FILE))),
    "numbers in small tensors": lambda: message(5, message(7, b"\x01" * 4000)) * (FILE // 4006),
    "small tensors": lambda: message(5, message(9, b"\x01" * 4000)) * (FILE // 4006),
    "many axes that are passed on": lambda: an_input(message(1, number(1, 1)) * 5000) + copies(20_000),
    "a long name that is passed on": lambda: (
        an_input(message(1, message(2, b"a" * MEBIBYTE))) + copies(20_000)
    ),
}
# Of addresses; Python and the file that is mapped are in it.
MEMORY = 1024 * MEBIBYTE
EXAMINE = """
import resource, sys
from pathlib import Path
from cvimake.core.errors import CvimakeError
from cvimake.project.networks.examine import examine
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
try:
    examine(Path(sys.argv[1]))
except CvimakeError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_takes_little_memory_and_gets_a_clear_answer(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_file(HOSTILE[kind]()))
    command = [sys.executable, "-c", EXAMINE, str(path), str(MEMORY)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (ended.returncode, ended.stderr) == (0, "")
    if kind != "a long name that is passed on":
        assert ended.stdout.startswith(str(path)), ended.stdout


@pytest.mark.parametrize("name", ["yolo11n-dynamic", "yolo26n-pose-end-to-end", "unknown-text-transformer"])
def test_a_graph_from_the_other_process_is_the_same(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes(name))
    assert reading.read(tmp_path / "net.onnx") == exported(name)


def test_reading_that_takes_too_long_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("yolo11n"))
    monkeypatch.setattr(reading, "SECONDS", 0.01)
    with pytest.raises(CvimakeError, match=r"takes more than 0\.01 s"):
        reading.read(tmp_path / "net.onnx")


def test_the_folder_that_it_runs_in_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(exported_bytes("yolo11n"))
    (tmp_path / "onnx.py").write_text("raise SystemExit(1)", encoding="utf-8")
    (tmp_path / "json.py").write_text("raise SystemExit(1)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert reading.read(tmp_path / "net.onnx").nodes


@pytest.mark.parametrize("kind", ["empty operators", "a long name that is passed on"])
def test_a_process_that_reads_many_files_has_the_same_limits_for_each(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_file(HOSTILE[kind]()))
    readers = Readers(os.environ, 1)
    try:
        found, alone = (told(read, path) for read in (readers.read, reading.read))
    finally:
        readers.close()
    assert found == alone


def told(read: Callable[[Path], Network], path: Path) -> str:
    """Return the error, or the number of operators, that reading a file ends with."""
    try:
        return str(len(read(path).nodes))
    except CvimakeError as error:
        return str(error)
