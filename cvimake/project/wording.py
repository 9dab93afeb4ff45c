"""Mistakes in values, as pydantic finds them: in the words of TOML, with an example of what belongs there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cvimake.project.lines import Key

# An example of a value by its key; the same key has the same meaning in all tables.
VALUES = {
    "add_postprocess": '"yolov5"', "addr_mode": '"auto"', "aligned_input": "true",
    "calibration_table": '"my_calibration_table"', "channel_format": '"nchw"', "classes": '"classes.txt"',
    "compare_all": "true", "customization_format": '"RGB_PACKED"', "data_list": '"samples.txt"',
    "dataset": '"coco2017"', "datasets": '"datasets"', "debug_cmd": '"use_percentile9999"',
    "description": '"A detector of cats"', "disable_layer_group": "true", "excepts": '["conv_3"]',
    "expected_cos": "0.999", "external_data": '["weights.bin"]', "file_count": "100000", "files": '["*.jpg"]',
    "folder": '"../photos"',    "fp_type": '"BF16"', "fuse_preprocess": "true",
    "global_compare_layers": '["conv_3:0.4", "conv_9:0.6"]',
    "histogram_bin_num": "2048", "hours": "2.0", "ignore_f16_overflow": "false", "input": '"dog.jpg"',
    "input_num": "100", "ion_memory": "15.0", "ir": "8", "keep_aspect_ratio": "true",
    "keep_ratio_mode": '"letterbox"', "limit": "20.0", "mean": "[0.0, 0.0, 0.0]", "memory": "8.0",
    "milliseconds": "40.0", "min_layer_cos": "0.99", "model_version": '"latest"',
    "models": '"models"', "names": '["output0"]',
    "num_core": "1", "onnx_sim": '"skip_fuse_bn"', "op_divide": "true", "opset": "17", "opt": "2",
    "pad_type": '"center"', "pad_value": "114", "pixel_format": '"rgb"', "preprocess_list": "[1]",
    "processor": '"cv181x"', "quant_input": "true", "quant_input_list": "[1]", "quant_output": "true",
    "quant_output_list": "[1]", "quantize": '"INT8"', "read_only": "true",
    "relative_boxes": "true", "recognised_as": '"YOLO11"',
    "require_expected_cos": "true", "resize_dims": "[256, 256]", "scale": "[0.0039216, 0.0039216, 0.0039216]",
    "shapes": "[[1, 3, 640, 640]]", "size": "4000000", "skip_validation": "true", "source": '"yolo11n.onnx"',
    "test_input": '"dog.jpg"', "test_reference": '"reference.npz"', "tolerance": "[0.99, 0.9]",
    "tune_list": '"samples.txt"', "tune_num": "5", "types": '["float32"]', "url": '"../store"',
    "weights": '"net.caffemodel"', "workspace": "32.0",
}  # fmt: skip
# The same of tables.
TABLES = {
    "budget": "[budget] with size = 4000000",
    "calibration": '[calibration] with dataset = "coco2017"',
    "deploy": "[deploy] with quant_input = true",
    "input": "[input] with shapes = [[1, 3, 640, 640]]",
    "limits": "[tool.cvimake.limits] with memory = 8.0",
    "onnx": "[onnx] with opset = 17",
    "output": '[output] with names = ["output0"]',
    "qtable": "qtable = { expected_cos = 0.999 }",
    "store": '[tool.cvimake.store] with url = "../store"',
    "variant": '[variant.int8] with quantize = "INT8"',
    "verify": '[verify] with input = "dog.jpg"',
}
# Each type of value in words, and an example of it for a key that has none above.
_KINDS = {
    "string_type": ("a string in quotes", '"text"'),
    "int_type": ("a whole number", "1"),
    "float_type": ("a number", "1.0"),
    "finite_number": ("a number", "1.0"),
    "bool_type": ("true or false", "true"),
    "list_type": ("a list in brackets", "[...]"),
    "tuple_type": ("a list in brackets", "[...]"),
    "dict_type": ("a table", ""),
    "model_type": ("a table", ""),
}
_BOUNDS = {
    "ge": "too little: at least",
    "gt": "too little: more than",
    "le": "too much: at most",
}
_OTHERS = {"int_parsing_size": "{given} is too large a number"}
_LONGEST = 40


def said(key: Key, detail: Mapping[str, Any]) -> str:
    """A mistake in words.

    Args:
        key: where it is.
        detail: one of pydantic's `ValidationError.errors()`.
    """
    kind, given, context = detail["type"], _shown(detail["input"]), detail.get("ctx", {})
    if kind in _KINDS:
        words, example = _KINDS[kind]
        return f"{given} is not {words}{_example(key, example, is_table=not example)}"
    if kind == "missing":
        return f"is missing{_example(key, is_table=len(key) == 1 and key[0] in TABLES)}"
    if kind in {"too_short", "too_long", "string_too_short"}:
        return f"{_wrong_length(kind, context)}{_example(key, is_table=isinstance(detail['input'], Mapping))}"
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"{given} is {words} {context[bound]:g}"
    return _OTHERS.get(kind, f"{detail['msg'][0].lower()}{detail['msg'][1:]}").format(given=given)


def _wrong_length(kind: str, context: Mapping[str, Any]) -> str:
    if not context.get("actual_length"):
        return "is empty"
    wanted = context["min_length" if kind == "too_short" else "max_length"]
    return f"has the wrong number of values: {context['actual_length']} where {wanted} belong"


def _example(key: Key, otherwise: str = "", *, is_table: bool = False) -> str:
    """`; for example: KEY = VALUE`; nothing where there is no example."""
    names = [part for part in key if isinstance(part, str)]
    if is_table:
        found = [TABLES[name] for name in reversed(names) if name in TABLES]
        return f"; for example: {found[0]}" if found else ""
    name = names[-1] if names else ""
    example = VALUES.get(name, otherwise)
    return f"; for example: {name} = {example}" if example else ""


def _shown(value: object) -> str:
    """A value as TOML writes it, cut where it is long."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
