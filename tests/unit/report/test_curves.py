from __future__ import annotations

import json
from pathlib import Path

import measured_projects
import pytest

from cvimake.core import digest
from cvimake.project import DeclaredModel, read_declarations
from cvimake.report.curves import Curves

KEPT = Path("build/report/.curves.json")
CAT = {"image_id": 0, "category_id": 0, "score": 0.9, "bbox": [1, 2, 30, 20]}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeclaredModel:
    monkeypatch.chdir(tmp_path)
    measured_projects.project(tmp_path, labels=measured_projects.labels((0, "cat"), (1, "dog")))
    Path("build/net").mkdir(parents=True)
    return read_declarations(tmp_path).models["net"]


def found(content: object) -> None:
    Path("build/net/net_float_detections.json").write_text(json.dumps(content), encoding="utf-8")


def test_precision_is_the_mean_of_the_classes_that_have_objects(model: DeclaredModel) -> None:
    found([CAT])
    ((curve,), missing) = Curves(KEPT, digest.of_file).of_model(model, [("float", "net_float")])
    # The cat is found, the dog is not.
    assert set(curve.precision) == {0.5}
    assert missing == ""


def test_a_curve_is_computed_once_for_the_same_detections(
    model: DeclaredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    found([CAT])
    curves = Curves(KEPT, digest.of_file)
    first = curves.of_model(model, [("float", "net_float")])
    curves.keep()
    monkeypatch.setattr("cvimake.report.curves._precision", lambda *_: [0.0])
    assert Curves(KEPT, digest.of_file).of_model(model, [("float", "net_float")]) == first
    found([])
    ((curve,), _) = Curves(KEPT, digest.of_file).of_model(model, [("float", "net_float")])
    assert curve.precision == (0.0,)


def test_damaged_detections_do_not_stop_a_report(model: DeclaredModel) -> None:
    found([CAT, {**CAT, "image_id": 99}, {**CAT, "bbox": [0, 0, -1, -1]}])
    ((curve,), _) = Curves(KEPT, digest.of_file).of_model(model, [("float", "net_float")])
    assert set(curve.precision) == {0.5}


def test_without_detections_the_reason_is_told(model: DeclaredModel) -> None:
    curves, missing = Curves(KEPT, digest.of_file).of_model(model, [("float", "net_float")])
    assert curves == ()
    assert "build the model again" in missing
