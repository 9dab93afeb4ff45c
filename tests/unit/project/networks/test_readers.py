from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_networks import exported_bytes

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import reading
from cvimake.project.networks.readers import Readers


@pytest.fixture
def readers() -> Iterator[Readers]:
    made = Readers(os.environ, 2)
    yield made
    made.close()


def network_file(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(exported_bytes("yolo11n"))
    return path


def processes(readers: Readers) -> list[int]:
    return [process.pid for process in readers._idle]


def test_a_network_is_read_as_in_a_process_of_its_own(tmp_path: Path, readers: Readers) -> None:
    path = network_file(tmp_path)
    assert readers.read(path) == reading.read(path)


def test_one_process_reads_several_files_and_faults_do_not_end_it(tmp_path: Path, readers: Readers) -> None:
    path, wrong = network_file(tmp_path), tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")
    network = readers.read(path)
    known = processes(readers)
    with pytest.raises(CvimakeError, match=r"wrong\.onnx is not an ONNX file"):
        readers.read(wrong)
    with pytest.raises(FileNotFoundError):
        readers.read(tmp_path / "missing.onnx")
    assert readers.read(path) == network
    assert processes(readers) == known


def test_a_file_that_takes_too_much_memory_or_time_gets_the_same_answer(
    tmp_path: Path, readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = network_file(tmp_path)
    for answer, limit in ((b"", "512 MB of memory"), (None, "120 s")):
        monkeypatch.setattr("cvimake.project.networks.readers._answer", lambda *_, answer=answer: answer)
        with pytest.raises(CvimakeError, match=f"reading its graph takes more than {limit}"):
            readers.read(path)


def test_threads_wait_for_their_turn(tmp_path: Path, readers: Readers) -> None:
    path = network_file(tmp_path)
    together = threading.Barrier(6, timeout=60)

    def read(_number: int) -> int:
        together.wait()
        return len(readers.read(path).nodes)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(read, range(6)))) == 1
    assert 1 <= len(processes(readers)) <= 2


def test_a_process_that_was_killed_is_an_error_and_the_next_file_is_read(
    tmp_path: Path, readers: Readers
) -> None:
    path = network_file(tmp_path)
    network = readers.read(path)
    (process,) = readers._idle
    process.kill()
    process.wait()
    with pytest.raises(CvimakeError, match="ended by somebody else"):
        readers.read(path)
    assert readers.read(path) == network
