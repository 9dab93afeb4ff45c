"""Whole networks: what is changed of them, what is not, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx_networks import network, operators

from cvimake.toolchain.container import onnx_downgrade
from cvimake.toolchain.container.onnx_downgrade import __main__ as program
from cvimake.toolchain.container.onnx_downgrade import converting, lowering, proof, reading
from cvimake.toolchain.container.onnx_downgrade.converting import Wanted, convert
from cvimake.toolchain.container.onnx_downgrade.network import Site, opset_of, tensor_names
from cvimake.toolchain.container.onnx_downgrade.refusal import RefusedError

MODELS = Path(__file__).parents[5]
TINY = MODELS / "tests/models/tiny/tiny.onnx"
SHAPES = MODELS / "models/shapes/shapes.onnx"
GELU = "g (float[2,3] x) => (float[2,3] y) { a = Relu(x) y = Gelu(a) }"
CONV = (
    """g (float[1,1,4,4] x) => (float[1,1,3,3] y) <float[1,1,2,2] w = {1, 2, 3, 4}> { [n] y = Conv(x, w) }"""
)


def converted(model: ModelProto, **wanted: Any) -> ModelProto:  # noqa: ANN401 - any of what can be wanted
    return convert(model, Wanted(**wanted))[0]


# What is at the target already


@pytest.mark.parametrize("path", [TINY, SHAPES])
def test_a_network_that_the_toolchain_reads_keeps_its_nodes_and_weights(path: Path) -> None:
    source = onnx.load(path)
    result, summary = convert(source, Wanted(fixed=True))
    assert (summary["by"], summary["largest_difference"], summary["differences"]) == (None, 0.0, {})
    assert (opset_of(result), result.ir_version) == (opset_of(source), min(source.ir_version, 8))
    for one, other in zip(source.graph.initializer, result.graph.initializer, strict=True):
        assert (one.name, list(one.dims)) == (other.name, list(other.dims))
        assert numpy_helper.to_array(one).tobytes() == numpy_helper.to_array(other).tobytes()
    for node in source.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    assert list(source.graph.node) == list(result.graph.node)


def test_descriptions_in_the_network_change_no_byte() -> None:
    one, other = network(GELU, 20), network(GELU, 20)
    other.producer_name, other.producer_version, other.doc_string = "exporter", "2.0", "today"
    other.metadata_props.add(key="date", value="2024")
    other.graph.node[0].doc_string = "/home/me/net.py"
    other.graph.node[0].metadata_props.add(key="line", value="5")
    assert one != other
    results = [converted(model).SerializeToString(deterministic=True) for model in (one, other)]
    assert results[0] == results[1]
    assert converted(other, metadata=True).metadata_props[0].value == "2024"


def test_an_older_opset_stays() -> None:
    result = converted(network("g (float[2] x) => (float[2] y) { y = Relu(x) }", 12, 7))
    assert (opset_of(result), result.ir_version) == (12, 7)


# What is converted


def test_the_version_converter_comes_first() -> None:
    result, summary = convert(network("g (float[2] x) => (float[2] y) { y = Relu(x) }", 18), Wanted())
    assert summary["by"] == "onnx.version_converter"
    assert (opset_of(result), operators(result)) == (17, ["Relu"])


def test_where_it_has_no_adapter_it_is_our_own_rewrites_and_the_summary_says_so() -> None:
    result, summary = convert(network(GELU, 20), Wanted())
    assert summary["by"] == "rewrites"
    assert summary["rewritten"] == {"Gelu": 1}
    assert "Gelu" in summary["version_converter"]
    assert summary["source"] == {"ir": 10, "opset": 20}
    assert summary["result"] == {"ir": 8, "opset": 17}
    assert set(summary["differences"]) == set(proof.KINDS)
    assert 0 <= summary["largest_difference"] <= 1e-5
    assert {"x", "a", "y"} <= tensor_names(result)


@pytest.mark.parametrize("opset", range(11, 18))
@pytest.mark.parametrize("ir", [3, 4, 8, 10])
def test_every_target_is_reached(opset: int, ir: int) -> None:
    text = (
        "g (float[1,2,4,4] x) => (float[a,b,c,d] y) <int64[1] s = {1}, float[4] f = {1.0, 1.0, 2.0, 2.0}>"
        "{ a = HardSwish(x) b, c = Split<axis = 1, num_outputs = 2>(a) d = Gelu(b) e = Resize(d, , f)"
        "y = Softmax(e) }"
    )
    result = converted(network(text, 20), opset=opset, ir=ir)
    assert (opset_of(result), result.ir_version) == (opset, ir)
    onnx.checker.check_model(result)


def test_a_conversion_that_computes_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(site: Site) -> None:
        site.add("Relu", site.input(0), output=site.output)

    monkeypatch.setitem(lowering.REWRITES, (20, "Gelu"), wrong)
    text = "g (float[2,3] x) => (float[2,3] y) { y = Gelu(x) }"
    with pytest.raises(RefusedError, match=r"does not compute the same: output 'y' differs by"):
        convert(network(text, 20), Wanted())


def test_a_version_converter_that_dies_is_no_reason_to_die(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "dies.py"
    script.write_text("import os\nos.abort()\n", encoding="utf-8")
    monkeypatch.setattr(converting, "_CONVERTER", script)
    summary = convert(network("g (float[2] x) => (float[2] y) { y = Relu(x) }", 18), Wanted())[1]
    assert (summary["by"], summary["version_converter"]) == ("rewrites", "it ended with -6")


def test_a_version_converter_that_is_wrong_is_told_without_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They hang on the processor, and the summary must not."""
    script = tmp_path / "wrong.py"
    script.write_text(
        "import sys, onnx\n"
        "model = onnx.load(sys.argv[1])\n"
        "model.graph.node[0].op_type = 'Neg'\n"
        "model.opset_import[0].version = int(sys.argv[3])\n"
        "onnx.save(model, sys.argv[2])\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(converting, "_CONVERTER", script)
    summary = convert(network("g (float[2] x) => (float[2] y) { y = Relu(x) }", 18), Wanted())[1]
    assert (summary["by"], summary["version_converter"]) == (
        "rewrites",
        "what it makes does not compute the same",
    )


def test_the_result_is_the_same_for_the_same_source() -> None:
    results = [convert(network(GELU, 20), Wanted()) for _ in range(2)]
    assert results[0][0].SerializeToString(deterministic=True) == results[1][0].SerializeToString(
        deterministic=True
    )
    assert results[0][1] == results[1][1]


# The plain form


def test_a_networks_own_functions_are_put_in_place() -> None:
    model = network("g (float[2,3] x) => (float[2,3] y) { y = own.twice(x) }", 18, 10, '"own" : 1')
    body = [helper.make_node("Add", ["p", "p"], ["q"])]
    function = helper.make_function("own", "twice", ["p"], ["q"], body, [helper.make_opsetid("", 18)])
    model.functions.append(function)
    result, summary = convert(model, Wanted())
    assert operators(result) == ["Add"]
    assert [entry.domain for entry in result.opset_import] == [""]
    assert summary["tidied"] == {"inlined functions": 1}


def test_initialisers_are_taken_from_among_the_inputs() -> None:
    model = network(CONV, 11, 6)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 1, 2, 2]))
    result = converted(model)
    assert [value.name for value in result.graph.input] == ["x"]
    assert [tensor.name for tensor in result.graph.initializer] == ["w"]


def test_a_convolution_gets_the_kernel_shape_that_it_lacks() -> None:
    (node,) = converted(network(CONV, 11, 6)).graph.node
    assert list(helper.get_node_attr_value(node, "kernel_shape")) == [2, 2]


def test_nodes_are_put_after_what_they_need() -> None:
    model = network(GELU, 20)
    nodes = [ModelProto().graph.node.add() for _ in range(2)]
    for node, original in zip(nodes, reversed(model.graph.node), strict=True):
        node.CopyFrom(original)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert operators(converted(model))[0] == "Relu"


def test_half_precision_becomes_single() -> None:
    model = network("g (float16[2,3] x) => (float16[2,3] y) { a = Mul(x, w) y = Gelu(a) }", 20)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3], np.float16), "w"))
    result, summary = convert(model, Wanted())
    kinds = [value.type.tensor_type.elem_type for value in (*result.graph.input, *result.graph.output)]
    assert kinds == [TensorProto.FLOAT] * 2
    assert result.graph.initializer[0].data_type == TensorProto.FLOAT
    assert 0 < summary["difference_from_float16"] < proof.HALF_TOLERANCE
    assert summary["largest_difference"] <= proof.TOLERANCE


# Sizes

DYNAMIC = "g (float[N,3,H,W] x) => (float[N,3,H,W] y) { y = Gelu(x) }"


def test_sizes_are_fixed_as_declared() -> None:
    result = converted(network(DYNAMIC, 20), shapes=[[2, 3, 4, 5]], fixed=True)
    assert [dim.dim_value for dim in result.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 4, 5]
    onnx.checker.check_model(result, full_check=True)


def test_sizes_that_are_not_fixed_are_refused_where_they_must_be() -> None:
    with pytest.raises(RefusedError, match=r"its input 'x' is N x 3 x H x W: say its size in model\.toml"):
        convert(network(DYNAMIC, 20), Wanted(fixed=True))
    with pytest.raises(RefusedError, match="size of its input 'x' is not fixed: say"):
        convert(network(DYNAMIC, 20), Wanted())


def test_a_batch_that_is_not_fixed_can_stay() -> None:
    result = converted(network("g (float[N,3] x) => (float[N,3] y) { y = Gelu(x) }", 20))
    assert result.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ([[2, 3, 1]], "is 2 x 3"),
        ([[2, 3], [1]], "2 input shapes are declared, and it has 1 inputs: x"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: list[list[int]], told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        convert(network(GELU, 20), Wanted(shapes=shapes))


def test_a_huge_input_is_refused_before_it_is_made() -> None:
    text = "g (float[1,3,100000,100000] x) => (float[1,3,100000,100000] y) { y = Gelu(x) }"
    with pytest.raises(RefusedError, match="no camera holds that"):
        convert(network(text, 20), Wanted())


# What is no network, or a hostile one


def written(folder: Path, model: ModelProto) -> Path:
    path = folder / "source.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def read_refused(path: Path) -> str:
    with pytest.raises(RefusedError) as caught:
        reading.read(path, path.parent)
    return str(caught.value)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "source.onnx"
    data = TINY.read_bytes()
    for length in range(0, len(data) - 1, len(data) // 40):
        path.write_bytes(data[:length])
        with pytest.raises(RefusedError):
            convert(reading.read(path, tmp_path), Wanted())


def test_an_opset_that_is_too_new_is_refused(tmp_path: Path) -> None:
    told = read_refused(written(tmp_path, network("g (float[2] x) => (float[2] y) { y = Relu(x) }", 24)))
    assert told.startswith("it is opset 24; 23 is the newest")


def test_a_network_that_goes_in_a_circle_is_refused() -> None:
    model = network("g (float[2] x) => (float[2] y) { a = Add(x, b) b = Relu(a) y = Relu(b) }", 18)
    with pytest.raises(RefusedError, match=r"in a circle: node of 'a' \(Add\)"):
        convert(model, Wanted())


def test_a_type_that_the_toolchain_does_not_have_is_refused(tmp_path: Path) -> None:
    model = network(GELU, 20)
    model.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT8E4M3FN, dims=[1]))
    assert "'w' is FLOAT8E4M3FN" in read_refused(written(tmp_path, model))


def test_weights_that_are_less_than_they_say_are_refused() -> None:
    model = network(GELU, 20)
    model.graph.initializer.append(
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20], raw_data=b"\0" * 8)
    )
    with pytest.raises(RefusedError, match="breaks the rules of ONNX"):
        convert(model, Wanted())


def with_weights_at(location: str, **entries: int) -> ModelProto:
    model = network("g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }", 18)
    tensor = model.graph.initializer[0]
    tensor.Clear()
    tensor.name, tensor.data_type, tensor.data_location = "w", TensorProto.FLOAT, TensorProto.EXTERNAL
    tensor.dims.append(2)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return model


def test_weights_in_a_file_beside_it_are_taken_in(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "all.bin").write_bytes(b"####" + np.array([3, 4], np.float32).tobytes())
    model = reading.read(written(tmp_path, with_weights_at("w/all.bin", offset=4, length=8)), tmp_path)
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), [3, 4])
    assert converted(model).graph.initializer[0].data_location == TensorProto.DEFAULT


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "", "..", "a\\..\\secret"]
)
def test_weights_that_leave_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"12345678")
    told = read_refused(written(folder, with_weights_at(location)))
    assert "leaves the network's own folder" in told


def test_weights_behind_a_link_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"12345678")
    (folder / "w").symlink_to("../secret")
    assert "a link out of" in read_refused(written(folder, with_weights_at("w")))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"offset": 4}, None),
        ({"offset": 9}, "is cut off"),
        ({"length": 99}, "is cut off"),
        ({"offset": -1}, "cut"),
    ],
)
def test_weights_beyond_the_end_of_their_file_are_refused(
    tmp_path: Path, entries: dict[str, int], told: str | None
) -> None:
    (tmp_path / "w").write_bytes(b"12345678")
    path = written(tmp_path, with_weights_at("w", **entries))
    if told:
        assert told in read_refused(path)
    else:
        with pytest.raises(RefusedError, match="rules of ONNX"):
            convert(reading.read(path, tmp_path), Wanted())


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    told = read_refused(written(tmp_path, with_weights_at("w/all.bin")))
    assert 'external_data = ["w/all.bin"]' in told


# What a difference is


def test_differences_are_relative_to_the_greatest_value() -> None:
    one = np.array([1.0, -100.0])
    assert proof.difference(one, np.array([1.001, -100.0])) == pytest.approx(1e-5)
    assert proof.difference(one, one) == 0.0
    assert proof.difference(np.array([np.nan, np.inf, 1.0]), np.array([np.nan, np.inf, 1.0])) == 0.0
    for other in (np.array([np.nan, -100.0]), np.array([1.0]), np.array([1.0, np.inf]), None, [one]):
        assert proof.difference(one, other) == np.inf
    assert proof.difference(np.array([1, 2]), np.array([1, 3])) == np.inf
    assert proof.difference(np.zeros(2), np.array([0.0, 0.5])) == 0.5


# The program


def test_the_program_converts_a_file(tmp_path: Path) -> None:
    source = written(tmp_path, network(GELU, 20))
    ended = run(source, tmp_path)
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["rewritten"] == {"Gelu": 1}
    assert opset_of(onnx.load(tmp_path / "result.onnx")) == 17
    # What another processor would find otherwise is only printed.
    assert (summary["differs_by_at_most"], summary["tried_with"]) == (proof.TOLERANCE, list(proof.KINDS))
    assert not [name for name in summary if name in {"differences", "largest_difference"}]
    assert set(json.loads(ended.stdout.splitlines()[-1])["differences"]) == set(proof.KINDS)


def test_the_program_says_in_one_line_what_it_refuses(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    source.write_bytes(b"rubbish")
    ended = run(source, tmp_path)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == "the ONNX network is refused: it is not an ONNX file, or is cut off\n"
    assert not (tmp_path / "result.onnx").exists()


def run(source: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """As in the container: its own folder alone is on Python's path."""
    above = str(Path(onnx_downgrade.__path__[0]).parent)
    results = folder / "result.onnx", folder / "summary.json"
    return subprocess.run(
        [sys.executable, "-m", "onnx_downgrade", source, *results, *options],
        cwd=folder, env={**os.environ, "PYTHONPATH": above}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_any_bytes_give_a_network_or_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_arguments: object) -> ModelProto:
        raise RefusedError("no adapter")

    monkeypatch.setattr(converting, "_by_version_converter", none)
    data = network(GELU, 20).SerializeToString()
    source = tmp_path / "source.onnx"
    codes = set()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0xA5
        source.write_bytes(damaged)
        code = program.main([str(source), str(tmp_path / "result.onnx"), str(tmp_path / "summary.json")])
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert out.startswith("the ONNX network is refused: " if code else "{")
        codes.add(code)
    assert codes == {0, 1}


def test_the_program_accepts_its_options(tmp_path: Path) -> None:
    source = written(tmp_path, network(DYNAMIC, 20))
    names = [str(tmp_path / name) for name in ("result.onnx", "summary.json")]
    options = ["--opset=13", "--ir=7", "--input-shapes=[[1,3,2,2]]", "--fixed", f"--external={tmp_path}"]
    assert program.main([str(source), *names, *options]) == 0
    assert opset_of(onnx.load(tmp_path / "result.onnx")) == 13
