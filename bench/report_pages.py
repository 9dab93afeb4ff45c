"""Measures `./doit report` of 500 models with 5 variants each: making it, its size, and opening it.

The results are those of `models/shapes`, enlarged to 80 classes and 160 layers as a YOLO11n has them, with
other numbers for each model. There are no previews, which nobody makes for 500 models at once. Everything is
up to date, so nothing else than the report is measured.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import project
from bench.measure import Comparison, Result, Runs, Scale, Unit, timed
from cvimake.cli.new import DODO

MODELS, REPEATS = 500, 1
# Seconds, processor seconds, MiB, and seconds.
MADE, PROCESSOR, SIZE, OPENED = 60.0, 60.0, 50e6 / 2**20, 2.0
_CLASSES, _LAYERS, _TRIED = 80, 160, 40
_SHAPES = project.CHECKOUT / "models" / "shapes"
_RESULTS = project.CHECKOUT / "build" / "shapes"
# Each variant of the project, and the one of shapes whose results it gets.
_VARIANTS = {"f16": "f16", "int8": "int8", "mix": "mix", "output": "int8", "other": "int8"}
_MORE = """
[variant.output]
quantize = "INT8"
aligned_input = true
quant_output = true

[variant.other]
quantize = "INT8"
"""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run(scratch: Path, repeats: int = REPEATS) -> Iterator[Result]:
    """Measure it in an empty folder, after building `models/shapes`.

    Args:
        scratch: the folder.
        repeats: how often the report is made from nothing.
    """
    timed([sys.executable, "-m", "cvimake.cli", "shapes"], project.CHECKOUT)
    _write(scratch)
    project.mark_done(scratch, functools.partial(_content, _Templates()))
    for picture in (scratch / "build").glob("*/*_preview.*"):
        picture.unlink()
    command = [str(project.add_launcher(scratch)), "report"]
    folder = scratch / "build" / "report"
    made, again = [], []
    for _ in range(repeats):
        shutil.rmtree(folder, ignore_errors=True)
        made.append(_taken(command, scratch))
        again.append(_taken(command, scratch))
    result = functools.partial(
        Result, benchmark="report", scale=Scale(MODELS, "model"), comparison=Comparison.ITSELF
    )
    for place, (unit, bound) in enumerate([(Unit.SECONDS, MADE), (Unit.PROCESSOR_SECONDS, PROCESSOR)]):
        ours, theirs = (Runs(tuple(one[place] for one in runs)) for runs in (made, again))
        yield result(
            figure="./doit report, from nothing",
            ours=ours,
            against="with nothing to do",
            theirs=theirs,
            unit=unit,
            bound=bound,
        )
    own, everything = (Runs((_size(path) / 2**20,)) for path in (folder, scratch / "build"))
    yield result(
        figure="its size",
        ours=own,
        against="all results, with it",
        theirs=everything,
        unit=Unit.MEBIBYTES_ON_DISK,
        bound=SIZE,
    )
    page, empty = _opening(folder / "index.html", scratch)
    yield result(
        figure="opening the overview",
        ours=page,
        against="an empty page",
        theirs=empty,
        unit=Unit.SECONDS,
        bound=OPENED,
    )


def _taken(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; return its seconds, and those of all its processes on all processors."""
    before = _processor()
    seconds = timed(command, folder)
    return seconds, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _opening(page: Path, scratch: Path) -> tuple[Runs, Runs]:
    """Return how long a browser takes to open the overview, and an empty page."""
    empty = scratch / "empty.html"
    empty.write_text("<!DOCTYPE html><title>empty</title>", encoding="utf-8")
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        missing = Runs(missing="no browser: apt-get install chromium")
        return missing, missing
    times = _opened(browser, (page, empty))
    return times[page], times[empty]


def _opened(browser: str, pages: tuple[Path, ...]) -> dict[Path, Runs]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow to import, and only of use with a browser

    found: dict[Path, list[float]] = {page: [] for page in pages}
    with sync_playwright() as driver:
        # A container of root has no sandbox for the browser; the pages are our own.
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for _ in range(3):
            for page in pages:
                tab = opened.new_page()
                started = time.monotonic()
                tab.goto(page.as_uri())
                tab.screenshot()
                found[page].append(time.monotonic() - started)
                tab.close()
        opened.close()
    return {page: Runs(tuple(values)) for page, values in found.items()}


def _write(root: Path) -> None:
    """Write the project: copies of `models/shapes` with more variants, each measured on 8 images."""
    text = (_SHAPES / "model.toml").read_text(encoding="utf-8")
    text = text.replace("input_num = 100", "input_num = 8").replace(
        'dataset = "shapes_test"', 'dataset = "shapes_test"\ninput_num = 8'
    )
    # The results are not those of this budget.
    text = text[: text.index("[budget]")] + text[text.index("# Computes in BF16") :] + _MORE
    (root / "dodo.py").write_text(DODO, encoding="utf-8")
    (root / "pyproject.toml").write_text('[project]\nname = "bench"\nversion = "1"\n', encoding="utf-8")
    shutil.copytree(project.CHECKOUT / "datasets", root / "datasets")
    for number in range(MODELS):
        folder = root / "models" / f"m{number:03}"
        folder.mkdir(parents=True)
        os.link(_linked(root), folder / "shapes.onnx")
        shutil.copy(_SHAPES / "classes.txt", folder)
        (folder / "model.toml").write_text(text, encoding="utf-8")


def _linked(root: Path) -> Path:
    copy = root / "shapes.onnx"
    if not copy.exists():
        shutil.copy(_SHAPES / "shapes.onnx", copy)
    return copy


class _Templates:
    """The results of `models/shapes` that a report reads, as texts."""

    def __init__(self) -> None:
        self.layers = [f"model.{number}/conv/Conv_output_0_Conv" for number in range(_LAYERS)]
        self._texts: dict[str, Any] = {}

    def json(self, name: str) -> Any:  # noqa: ANN401 - JSON can be of any type
        """Return a new copy of the JSON value in a result."""
        if name not in self._texts:
            self._texts[name] = (_RESULTS / name).read_text(encoding="utf-8")
        return json.loads(self._texts[name])


def _content(templates: _Templates, target: Path) -> str:
    """Return the content of a result: that of shapes with other numbers, or a line that nobody reads."""
    plain = f"# {target}\n"
    if target.name == "toolchain.json":
        return (_RESULTS.parent / target.name).read_text(encoding="utf-8")
    model = target.parent.name
    # The same numbers in every run, and others for every file.
    dice = random.Random(target.name)  # noqa: S311 - numbers for a benchmark, no secret
    own = target.name.removeprefix(f"{model}_").removeprefix("cv181x_")
    variant, _, kind = own.partition("_")
    makers: Mapping[str, Callable[[], str]] = {
        "calibration_table": lambda: _table(templates, dice),
        "outputs.json": lambda: json.dumps(templates.json("shapes_outputs.json")),
        "float_accuracy.json": lambda: _accuracy(templates, target, "float", dice),
    }
    if own in makers:
        return makers[own]()
    like = _VARIANTS.get(variant, "")
    makers = {
        "info.json": lambda: _info(templates, like, dice),
        "accuracy.json": lambda: _accuracy(templates, target, like, dice),
        "qtable": lambda: "".join(f"{layer} BF16\n" for layer in templates.layers[:20]),
        "loss_table.txt": lambda: _losses(templates, dice),
        "search.json": lambda: json.dumps(templates.json("shapes_cv181x_mix_search.json")),
    }
    return makers[kind]() if like and kind in makers else plain


def _table(templates: _Templates, dice: random.Random) -> str:
    rows = []
    for layer in templates.layers:
        high = dice.uniform(1, 20)
        rows.append(f"{layer} {high * dice.uniform(0.6, 1):.7f} {-high / 2:.7f} {high:.7f}\n")
    return "# op_name    threshold    min    max\n" + "".join(rows)


def _losses(templates: _Templates, dice: random.Random) -> str:
    return "".join(
        f"No.{number}   : Layer: {layer}\t\t\tCos: {dice.uniform(0.99, 1):.6f}\n"
        for number, layer in enumerate(templates.layers[:_TRIED])
    )


def _info(templates: _Templates, like: str, dice: random.Random) -> str:
    info = templates.json(f"shapes_cv181x_{like}_info.json")
    info["size"] = int(info["size"] * dice.uniform(1, 20))
    return json.dumps(info)


def _accuracy(templates: _Templates, target: Path, like: str, dice: random.Random) -> str:
    name = "shapes_float" if like == "float" else f"shapes_cv181x_{like}"
    found = templates.json(f"{name}_accuracy.json")
    model = target.parent.name
    network = f"{model}.mlir" if like == "float" else target.name.replace("_accuracy.json", ".cvimodel")
    path = target.with_name(network)
    found |= {"network": network, "sha256": hashlib.sha256(f"# {path}\n".encode()).hexdigest(), "images": 8}
    found["figure"]["value"] = dice.uniform(0.3, 0.6)
    boxes = found["field_details"]["boxes"]
    row = next(iter(boxes["classes"].values()))
    boxes["classes"] = {
        f"class {number}": {**row, "map50_95": dice.uniform(0.3, 0.6)} for number in range(_CLASSES)
    }
    boxes["precision_over_recall"] = [
        round(max(0.0, value - dice.uniform(0, 0.1)), 3) for value in boxes["precision_over_recall"]
    ]
    return json.dumps(found)
