"""Declarations with mistakes, each kind of mistake once, and what the real reader says of them.

`tests/unit/data/messages/declarations.txt` holds the messages, for a reviewer to read in one go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import small_checkpoints
from small_checkpoints import STATE_DICT, ULTRALYTICS, YOLOV5

from cvimake.builder import unbuildable
from cvimake.core.errors import CvimakeError
from cvimake.project import read_declarations

# The lines that a model.toml gets if a case does not write them itself.
_MODEL = {
    "source": 'source = "net.onnx"',
    "verify": 'verify = { input = "cat.png" }',
    "variant": 'variant = { a = { quantize = "BF16" } }',
}
_INT8 = 'calibration = { dataset = "photos" }\nvariant = { a = { quantize = "INT8"'
_SUM = f"sha256 = '{'0' * 64}'"
_FETCH, _FILES = "[fetch]", "[fetch.files]"
_FUSED = _INT8 + ", fuse_preprocess = true"

# Each case is a part of a model.toml.
SYNTAX = (
    "source = net.onnx",
    'source = "net.onnx',
    "source: net.onnx",
    "source =",
    'source = "a.onnx"\nsource = "b.onnx"',
    "input = { shapes = [[1, 3, 8, 8] }",
    "input = { keep_aspect_ratio = True }",
    "classes = None",
    "input = { mean = (0.0, 0.0, 0.0) }",
    "input.pad_value = 007",
    "[verify\ninput = 1",
    'source = "a\\b.onnx"',
    "source = \N{LEFT DOUBLE QUOTATION MARK}net.onnx\N{RIGHT DOUBLE QUOTATION MARK}",
    "just words",
    "mean = .5",
)
VALUES = (
    'sauce = "net.onnx"',
    "source = 3",
    'source = ""',
    'source = "a\\u0007.onnx"',
    "verify = {}",
    'verify = "cat.png"',
    "verify = { input = [] }",
    'verify = { input = "cat.png", tolerance = [0.9] }',
    'verify = { input = "cat.png", tolerance = [2.0, 0.9] }',
    'verify = { input = "cat.png", excepts = ["a,b"] }',
    "variant = {}",
    "variant = { a = {} }",
    'variant = { a = { quantize = "INT9" } }',
    "input = { shapes = [[]] }",
    "input = { shapes = [[0]] }",
    "input = { shapes = 640 }",
    "input = { pad_value = 256 }",
    "input = { mean = [nan, 0.0, 0.0] }",
    "input = { keep_aspect_ratio = 1 }",
    "output = { names = 3 }",
    'output = { add_postprocess = "bnr" }',
    'calibration = { dataset = "photos", data_list = "list.txt" }',
    'variant = { mlir = { quantize = "BF16" } }',
    'variant = { a_info = { quantize = "BF16" } }',
    'variant = { "a b" = { quantize = "BF16" } }',
    f'variant = {{ {"a" * 101} = {{ quantize = "BF16" }} }}',
)
SOURCES = (
    'source = "net.caffemodel"',
    'source = "net.h5"',
    'source = "net.pb"',
    'source = "net.pdmodel"',
    'source = "net.pth"',
    'source = "net.pt2"',
    'source = "net.xyz"',
    'source = "net.prototxt"',
    'source = "net.tflite"\nonnx = { opset = 17 }',
    'onnx = { external_data = ["../weights.bin"] }',
    'source = "checkpoint.pt"\ninput = { shapes = [[1, 3, 8, 8]] }',
    'source = "net.pt"',
    'source = "net.safetensors"',
    'source = "net.ckpt"',
    'source = "best.pt"',
    (
        'source = "best.pt"\n'
        'input = { shapes = [[1, 3, 8]], types = ["float32"], channel_format = "nhwc" }\n'
        'onnx = { external_data = ["weights.bin"] }'
    ),
    'source = "state.pt"\ninput = { shapes = [[1, 3, 8, 8]] }',
    'source = "yolov5.pt"\ninput = { shapes = [[1, 3, 8, 8]] }',
)
INPUTS = (
    "input = { mean = [0.0] }",
    "input = { scale = [0.0, 1.0, 1.0] }",
    "input = { scale = [58.0, 57.0, 57.0] }",
    "input = { mean = [0.485, 0.456, 0.406], scale = [0.0171, 0.0175, 0.0174] }",
    "input = { shapes = [[1, 3, 40000, 40000]] }",
    'input = { types = ["float32"] }',
    'source = "net.pt"\ninput = { shapes = [[1, 3, 8, 8]], types = ["float32", "int32"] }',
    'input = { channel_format = "none" }',
    "input = { shapes = [[1, 3, 8, 8]], resize_dims = [4, 4] }",
    "input = { shapes = [[1, 3, 8, 8]], preprocess_list = [2] }",
    'verify = { input = "cat.gif" }',
    'verify = { input = ["a.npz", "b.npz"] }',
)
OUTPUTS = (
    'output = { names = ["a", "a"] }',
    'source = "net.tflite"\noutput = { relative_boxes = true }',
    'output = { names = ["a", "b"], relative_boxes = true }',
    'output = { names = ["a"], relative_boxes = true, add_postprocess = "yolov5" }',
)
VARIANTS = (
    'variant = { a = { quantize = "BF16", qtable = { expected_cos = 0.9 } } }',
    'variant = { a = { quantize = "BF16", calibration_table = "table" } }',
    'variant = { a = { quantize = "INT8" } }',
    'variant = { a = { quantize = "BF16", customization_format = "RGB_PACKED" } }',
    'variant = { a = { quantize = "BF16", aligned_input = true } }',
    'variant = { a = { quantize = "BF16", processor = ["cv181x", "cv181x"] } }',
    (
        'variant = { a = { quantize = "BF16", processor = ["cv181x", "cv180x"] }, '
        'a_cv181x = { quantize = "BF16" } }'
    ),
    'variant = { a = { quantize = "BF16", quant_input_list = [1] } }',
    'variant = { a = { quantize = "BF16", ignore_f16_overflow = true } }',
    'variant = { a = { quantize = "BF16", addr_mode = "basic" } }',
    'variant = { a = { quantize = "BF16", test_input = "cat.gif" } }',
    'input = { pixel_format = "gbrg" }\nvariant = { a = { quantize = "BF16", test_input = [] } }',
    f"{_FUSED} }} }}\ninput = {{ channel_format = 'nhwc' }}",
    f"{_FUSED} }} }}\ninput = {{ pixel_format = 'gbrg' }}",
    f"{_FUSED} }} }}\nverify = {{ input = 'a.npz' }}",
    f"{_FUSED}, customization_format = 'RGBA_PLANAR' }} }}\ninput = {{ pixel_format = 'rgba' }}",
    f"{_FUSED}, test_input = [] }} }}\ninput = {{ pixel_format = 'rgba' }}",
    f"{_FUSED}, customization_format = 'RGGB_RAW' }} }}",
    f"{_FUSED}, customization_format = 'GRAYSCALE' }} }}",
    (
        f"{_FUSED}, customization_format = 'RGB_PACKED', aligned_input = true }} }}\n"
        "input = { shapes = [[1, 3, 8, 100]] }"
    ),
    f"{_INT8}, quant_input = true, quant_input_list = [2] }} }}\ninput = {{ shapes = [[1, 3, 8, 8]] }}",
    f"{_INT8}, qtable = {{ dataset = 'photos', data_list = 'list.txt' }} }} }}",
    f"{_INT8}, qtable = {{ expected_cos = 2.0 }} }} }}",
    f"{_INT8}, qtable = {{ global_compare_layers = ['a:x'] }} }} }}",
    f"{_INT8}, qtable = {{ global_compare_layers = ['a:0.5', 'b'] }} }} }}",
    f"{_INT8}, qtable = {{ global_compare_layers = ['a:0.5', 'b:0.6'] }} }} }}",
    "budget = { works_on_camera = true }\nvariant = { a = { quantize = 'BF16', fuse_preprocess = true } }",
)
SAMPLES = (
    'calibration = { dataset = "foto" }',
    'calibration = { dataset = "other" }',
    'calibration = { dataset = "empty" }',
    'calibration = { dataset = "mixed" }',
    'calibration = { dataset = "broken" }',
    'calibration = { data_list = "missing.txt" }',
    'calibration = { data_list = "leading_out.txt" }',
    'calibration = { dataset = "photos" }\ninput = { channel_format = "none" }',
    'calibration = { dataset = "photos", input_num = 9 }',
    'calibration = { dataset = "photos", input_num = 0 }',
    'calibration = { dataset = "CHOOSE one" }',
)
FILES = (
    'source = "missing.onnx"',
    'verify = { input = "missing.png" }',
    'classes = "missing.txt"',
    (
        "calibration = { dataset = 'photos' }\n"
        "variant = { a = { quantize = 'INT8', calibration_table = 'missing', qtable = 'missing_too' } }"
    ),
    "deploy = { test_reference = 'missing.npz' }",
)
REFUSED_OPTIONS = (
    "asymmetric", "merge_weight", "cache_skip", "do_winograd", "dynamic", "num_device", "group_by_cores",
    "q_group_size", "compress_mode", "io_alone", "chip", "test_result", "model_name", "debug",
)  # fmt: skip
MODELS: dict[str, tuple[str, ...]] = {
    "Not TOML": SYNTAX,
    "Values": VALUES,
    "Refused options": tuple(f"deploy = {{ {name} = true }}" for name in REFUSED_OPTIONS),
    "The network's file": SOURCES,
    "[input] and [verify]": INPUTS,
    "[output]": OUTPUTS,
    "Variants": VARIANTS,
    "Samples": SAMPLES,
    "Missing files": FILES,
}
# Each case is a whole dataset.toml.
DATASETS = (
    'folder = "nowhere"',
    'files = ["*.jpg"]\ndata_list = "list.txt"',
    'file = "*.jpg"',
    'files = "*.jpg"',
    'labels = "labels.json"',
    "labels = 3",
    "fetch = 1",
    "[fetch]",
    f"{_FETCH}\nbase_uri = 'https://example.org'",
    f"{_FETCH}\nfiles = {{}}",
    f"{_FETCH}\nbase_url = 'https://example.org/?x=1'\nfiles = {{ 'a.png' = {{ {_SUM} }} }}",
    f"{_FETCH}\nbase_url = 'https://example.org'\n[fetch.files.'a.png']\nsha265 = '0'",
    f"{_FETCH}\nbase_url = 'https://example.org'\n[fetch.files.'a.png']\nsha256 = '0'\nsize = 0",
    f"{_FILES}\n'a.png' = {{ {_SUM} }}",
    *(f"{_FILES}\n'a.png' = {{ {_SUM}, url = '{url}' }}" for url in (
        "example.org/a.png", "https:///a.png", "https://example.org:x/a.png", "file:///etc/passwd",
        "simplecache::https://example.org/a.png", "https://user:password@example.org/a.png",
        "https://token@example.org/a.png", "s3://key:password@bucket/a.png",
        "https://example.org/a.png?X-Amz-Signature=0", "https://example.org/%2e%2e/a.png",
    )),
    *(f"{_FILES}\n{name!r} = {{ {_SUM}, url = 'https://example.org/x' }}" for name in (
        "/etc/passwd", "../../a.png", "a/../b.png", "a//b.png", "", ".git/hooks/post-checkout",
        "sub/dataset.toml",
    )),
    f"{_FILES}\n'a' = {{ {_SUM}, url = 'https://a.org' }}\n'a/b' = {{ {_SUM}, url = 'https://a.org' }}",
    f"{_FILES}\n'a.png' = {{ {_SUM}, url = 'https://example.org/x', archive = 'x', member = 'y' }}",
    f"{_FILES}\n'a.png' = {{ {_SUM}, url = 'https://example.org/x', member = 'y' }}",
    (
        f"{_FILES}\n'a.png' = {{ {_SUM}, archive = 'fotos' }}\n"
        f"[fetch.archives.photos]\nurl = 'https://example.org/photos.zip'\n{_SUM}"
    ),
)  # fmt: skip
# Each case is a whole pyproject.toml.
SETTINGS = (
    "[tool.cvimake.limits]\nmemory = 0",
    "[tool.cvimake.limits]\nhours = 'two'",
    "[tool.cvimake.store]\nlimit = -1.0",
    "[tool.cvimake.deploy]\nquantise = 'INT8'",
    "[tool]\ncvimake = 3",
)
NAMES = ("clean", "-net", "n" * 101)


def page(root: Path) -> str:
    """Return all cases with their messages.

    Args:
        root: an empty folder for the projects.
    """
    projects = _projects(root)
    text = "Declarations with mistakes, and the messages. Written by tests/unit/project/test_messages.py.\n"
    for heading, cases in MODELS.items():
        text += f"\n# {heading}\n"
        for case in cases:
            project = next(projects)
            _write(project / "models/net/model.toml", _completed(case))
            text += _told(case, project)
    text += "\n# dataset.toml\n"
    for case in DATASETS:
        project = next(projects)
        _write(project / "datasets/photos/dataset.toml", case)
        text += _told(case, project)
    text += "\n# pyproject.toml\n"
    for case in SETTINGS:
        project = next(projects)
        _write(project / "pyproject.toml", case)
        text += _told(case, project)
    text += "\n# Names of models\n"
    for name in NAMES:
        project = next(projects)
        _write(project / "models" / name / "model.toml", _completed(""))
        text += _told(f"models/{name}", project)
    return text


def _projects(root: Path) -> Iterator[Path]:
    """Yield folders that hold everything but a declaration."""
    number = 0
    while True:
        number += 1
        project = root / str(number)
        for name in ("net.onnx", "net.tflite", "net.prototxt", "cat.png", "a.npz"):
            _write(project / "models/net" / name, "")
        (project / "models/net/checkpoint.pt").write_bytes(b"\x80\x02")
        for name, named in {"best": ULTRALYTICS, "state": STATE_DICT, "yolov5": YOLOV5}.items():
            small_checkpoints.write(project / f"models/net/{name}.pt", *named)
        _write(project / "models/net/leading_out.txt", "../../cat.png\n")
        for name, files in {
            "photos": ("a.jpg", "b.jpg"), "mixed": ("a.jpg", "b.npy"), "empty": (), "broken": ("a.jpg",),
        }.items():  # fmt: skip
            folder = project / "datasets" / name
            _write(folder / "dataset.toml", "folder = 3" if name == "broken" else "")
            for file in files:
                _write(folder / file, "")
        yield project


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _completed(case: str) -> str:
    lines = [line for key, line in _MODEL.items() if not re.search(rf"^\[?{key}\b", case, re.MULTILINE)]
    return "\n".join([case, *lines, ""])


def _told(case: str, project: Path) -> str:
    """Return a case with the messages of a build."""
    try:
        found = read_declarations(project)
    except CvimakeError as error:
        told = [str(error)]
    else:
        told = [str(model.error) for model in unbuildable.of_declarations(found, project).values()]
        told += found.mistakes
    # The broken dataset is told in every project that does not use it.
    lines = [line.replace(f"{project}/", "") for text in told for line in text.splitlines()]
    lines = [line for line in lines if "broken" not in line or "broken" in case]
    shown = "".join(f"    {line}\n" for line in case.splitlines())
    return f"\n{shown}" + "".join(f"{line}\n" for line in lines or ["(no mistake)"])
