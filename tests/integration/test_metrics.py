"""The figures of accuracy in the toolchain's image: the same as on any machine, with other packages."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from lab import ROOT, Lab

from cvimake.core.resources import container_package
from cvimake.project.dataset import Dataset, DeclaredDataset
from cvimake.project.labels import Purpose, read_labels
from cvimake.toolchain.container.metrics import labelled_figures

# numpy 2 warns about pycocotools.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

PROBE = """
import json, sys
from pathlib import Path
sys.path.insert(0, "metrics.zip")
from metrics import labelled_figures
labels, results = (json.loads(Path(name).read_text()) for name in ("labels.json", "results.json"))
Path("out.json").write_text(json.dumps(labelled_figures(labels, results, 0.5)))
"""


def test_the_image_computes_the_same_figures(lab: Lab) -> None:
    declared = DeclaredDataset(
        name="shapes", folder=ROOT / "datasets/shapes", dataset=Dataset(folder="test", labels="test.json")
    )
    text = read_labels(declared, Purpose(task="detect")).coco()
    labels = json.loads(text)
    # Each object is found, but every third one in a wrong place, and every second one not surely.
    results = [
        {
            "image_id": one["image_id"], "category_id": one["category_id"],
            "score": 0.9 - 0.5 * (index % 2) - index / 10_000,
            "bbox": [one["bbox"][0] + 9 * (index % 3), *one["bbox"][1:]],
        }
        for index, one in enumerate(labels["annotations"])
    ]  # fmt: skip
    program = io.BytesIO()
    with zipfile.ZipFile(program, "w") as archive:
        for name, path in container_package("metrics").items():
            archive.write(path, name)
    lab.add_input("metrics.zip", program.getvalue())
    lab.add_input("labels.json", text)
    lab.add_input("results.json", json.dumps(results))
    figures = lab.run(lab.action(PROBE))
    assert 0.2 < figures["boxes"]["map50_95"] < 0.8
    assert figures == labelled_figures(labels, results, 0.5)
