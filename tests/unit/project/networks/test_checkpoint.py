from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import small_checkpoints
from small_checkpoints import STATE_DICT, ULTRALYTICS, YOLOV5, pickled

from cvimake.project.networks import checkpoint
from cvimake.project.networks.checkpoint import Maker, maker

MEMBER = "net/data.pkl"


def of(path: Path, text: bytes) -> Maker:
    return maker(small_checkpoints.write(path / "net.pt", pickle=text), MEMBER)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (ULTRALYTICS, Maker.ULTRALYTICS),
        (("ultralytics.yolo.utils IterableSimpleNamespace",), Maker.ULTRALYTICS),
        (("collections OrderedDict", *ULTRALYTICS), Maker.ULTRALYTICS),
        (YOLOV5, Maker.YOLOV5),
        (STATE_DICT, Maker.STATE_DICT),
        (("torch FloatStorage", *STATE_DICT), Maker.STATE_DICT),
        ((*STATE_DICT, "posix system"), Maker.OTHER),
        (("ultralyticsx.nn Model",), Maker.OTHER),
        ((), Maker.OTHER),
    ],
)
def test_the_maker_is_told_by_the_modules_that_the_pickle_names(
    tmp_path: Path, names: tuple[str, ...], expected: Maker
) -> None:
    assert of(tmp_path, pickled(*names)) is expected


class Posed:
    """Its pickle names a module of Ultralytics."""


def test_a_newer_protocol_names_modules_in_another_way(tmp_path: Path) -> None:
    text = pickle.dumps(Posed(), protocol=4)
    module = __name__.encode()
    posing = text.replace(bytes([len(module)]) + module, b"\x0eultralytics.nn", 1)
    assert posing != text
    # The frame is as long as its header says, or it is no pickle.
    unframed = posing[:2] + posing[11:]
    assert of(tmp_path, unframed) is Maker.ULTRALYTICS


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x80\x02",
        b"no pickle",
        b"\x80\x02c\xff\xff\n\n.",
        pickled(*STATE_DICT)[:-1],
        b"\x8e" + b"\xff" * 9,
    ],
    ids=["empty", "cut off", "text", "no UTF-8", "without an end", "longer than memory"],
)
def test_rubbish_has_no_maker(tmp_path: Path, text: bytes) -> None:
    assert of(tmp_path, text) is Maker.OTHER


def test_nothing_of_a_pickle_runs(tmp_path: Path) -> None:
    sign = tmp_path / "sign"

    class Writes:
        def __reduce__(self) -> tuple[object, ...]:
            return (sign.write_text, ("ran", "utf-8"))

    pickle.loads(pickle.dumps(Writes()))
    assert sign.exists()
    sign.unlink()
    of(tmp_path, pickle.dumps(Writes(), protocol=2))
    assert not sign.exists()


def test_a_bomb_is_read_up_to_a_bound_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the module comes after the most bytes, and after the most instructions."""
    path = tmp_path / "net.pt"
    for bound, most in (("_MOST_BYTES", 1000), ("_MOST_INSTRUCTIONS", 1000)):
        with monkeypatch.context() as patched:
            patched.setattr(checkpoint, bound, most)
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(MEMBER, b"\x80\x02" + b"N0" * 5000 + pickled(*ULTRALYTICS)[2:])
            assert maker(path, MEMBER) is Maker.OTHER
    assert maker(path, MEMBER) is Maker.ULTRALYTICS


def test_a_damaged_zip_has_no_maker(tmp_path: Path) -> None:
    path = small_checkpoints.write(tmp_path / "net.pt", *ULTRALYTICS)
    data = bytearray(path.read_bytes())
    data[50] ^= 0xFF
    path.write_bytes(data)
    assert maker(path, MEMBER) is Maker.OTHER


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_pytorch_does_not_read_has_no_maker(
    tmp_path: Path, compression: int, *, damaged: bool
) -> None:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(MEMBER, pickled(*ULTRALYTICS))
    if damaged:
        data = bytearray(path.read_bytes())
        place = 39 + len(MEMBER)
        data[place : place + 16] = b"\xff" * 16
        path.write_bytes(data)
    assert maker(path, MEMBER) is Maker.OTHER
