from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cvimake.core.errors import CvimakeError
from cvimake.project.networks import onnx_header
from cvimake.project.networks.onnx_header import Versions

GIBIBYTE = 1024**3
# Field 7 (graph) and field 8 (opset_import) as length-delimited values, field 1 (ir_version) as a number.
IR, GRAPH, OPSET = b"\x08", b"\x3a", b"\x42"


def varint(number: int) -> bytes:
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def network(ir: int = 8, opset: int = 17, *others: tuple[str, int]) -> bytes:
    tensor = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [tensor], [tensor])
    opsets = [helper.make_opsetid(*item) for item in others]
    model = helper.make_model(
        graph,
        producer_name="p" * 300,
        ir_version=ir,
        opset_imports=[*opsets, helper.make_opsetid("", opset)],
    )
    return cast("bytes", model.SerializeToString())


def versions(folder: Path, data: bytes) -> Versions:
    path = folder / "net.onnx"
    path.write_bytes(data)
    return onnx_header.read(path)


@pytest.mark.parametrize("ir", [3, 8, 10, 130])
@pytest.mark.parametrize("opset", [7, 17, 18, 300])
def test_the_versions_are_those_that_onnx_wrote(tmp_path: Path, ir: int, opset: int) -> None:
    assert versions(tmp_path, network(ir, opset)) == Versions(ir, opset)


def test_versions_of_other_domains_are_ignored(tmp_path: Path) -> None:
    others = (("ai.onnx.ml", 3), ("com.microsoft", 1))
    assert versions(tmp_path, network(8, 17, *others)) == Versions(8, 17)
    swapped = IR + varint(8) + opset_import(b"", 17) + opset_import(b"com.microsoft", 99)
    assert versions(tmp_path, swapped) == Versions(8, 17)


def opset_import(domain: bytes, version: int) -> bytes:
    inner = b"\x0a" + varint(len(domain)) + domain + b"\x10" + varint(version)
    return OPSET + varint(len(inner)) + inner


def test_the_long_name_of_the_usual_domain_counts(tmp_path: Path) -> None:
    assert versions(tmp_path, IR + varint(8) + opset_import(b"ai.onnx", 15)).opset == 15


def test_the_order_of_the_fields_does_not_matter(tmp_path: Path) -> None:
    assert versions(tmp_path, opset_import(b"", 17) + GRAPH + b"\x01x" + IR + varint(8)) == Versions(8, 17)


# What is no ONNX file


def check_is_refused(folder: Path, data: bytes) -> None:
    with pytest.raises(CvimakeError, match=r"net\.onnx is not an ONNX file, or is cut off"):
        versions(folder, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 64,
        b"\xff" * 64,
        b"PK\x03\x04rubbish",
        b"<html>not found</html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        IR + varint(8),
        opset_import(b"", 17),
    ],
)
def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path, data: bytes) -> None:
    check_is_refused(tmp_path, data)


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = network()
    for length in range(0, len(data), 7):
        check_is_refused(tmp_path, data[:length])


@given(st.binary(max_size=200))
def test_any_bytes_give_versions_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    with contextlib.suppress(CvimakeError):
        assert isinstance(versions(tmp_path_factory.getbasetemp(), data), Versions)


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        onnx_header.read(tmp_path / "net.onnx")


# Large files


def test_a_network_larger_than_memory_is_not_read_into_it(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    size = 64 * GIBIBYTE
    with path.open("wb") as file:
        file.write(IR + varint(8) + GRAPH + varint(size))
        file.seek(size, os.SEEK_CUR)
        file.write(opset_import(b"", 17))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert onnx_header.read(path) == Versions(8, 17)
    # In KiB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024


def test_a_file_of_more_fields_than_an_onnx_file_has_is_refused(tmp_path: Path) -> None:
    check_is_refused(tmp_path, (IR + varint(8)) * 100_001 + opset_import(b"", 17))


def test_an_opset_that_is_too_long_to_be_one_is_refused(tmp_path: Path) -> None:
    check_is_refused(tmp_path, IR + varint(8) + OPSET + varint(5000) + b"\x0a\x00" * 2500)


# What can be converted


@pytest.mark.parametrize(("ir", "opset"), [(3, 7), (8, 17), (9, 18), (11, 23)])
def test_versions_that_can_be_converted_are_accepted(tmp_path: Path, ir: int, opset: int) -> None:
    (tmp_path / "net.onnx").write_bytes(network(ir, opset))
    onnx_header.check(tmp_path / "net.onnx")


@pytest.mark.parametrize("opset", [24, 300])
def test_an_opset_that_is_too_new_is_refused_with_a_remedy(tmp_path: Path, opset: int) -> None:
    (tmp_path / "net.onnx").write_bytes(network(11, opset))
    with pytest.raises(CvimakeError) as caught:
        onnx_header.check(tmp_path / "net.onnx")
    assert f"has opset {opset}. An onnxruntime for" in str(caught.value)
    assert "runs at most opset 23" in str(caught.value)
    assert "opset=17" in caught.value.remedy


def test_weights_are_taken_from_the_sources_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(network())
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "own").write_bytes(b"own")
    (folder / "link").symlink_to("own")
    (folder / "out").symlink_to("../secret")
    onnx_header.check(folder / "net.onnx", ["own", "link"])
    with pytest.raises(CvimakeError, match=r"out leads out of .*model"):
        onnx_header.check(folder / "net.onnx", ["out"])


def test_weights_that_are_a_link_to_itself_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(CvimakeError, match="loop"):
        onnx_header.check(tmp_path / "net.onnx", ["loop"])


@pytest.mark.parametrize("name", ["../own/w", "sub/../w", "/etc/passwd"])
def test_a_name_that_leads_out_is_refused_though_it_may_lead_in_again(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    (tmp_path / "w").touch()
    with pytest.raises(CvimakeError, match="leads out of"):
        onnx_header.check(tmp_path / "net.onnx", [name])


@pytest.mark.parametrize("is_loop", [False, True])
def test_weights_that_are_not_there_are_told(tmp_path: Path, *, is_loop: bool) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    if is_loop:
        (tmp_path / "w").symlink_to("w")
    with pytest.raises(CvimakeError, match="keeps weights in 'w', and there is no such file beside it"):
        onnx_header.check(tmp_path / "net.onnx", ["w"])


def test_weights_above_2_gb_are_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(network())
    with (tmp_path / "w").open("wb") as file:
        file.truncate(3 * GIBIBYTE)
    with pytest.raises(CvimakeError, match=r"has 3\.0 GB with its weights"):
        onnx_header.check(tmp_path / "net.onnx", ["w"])
