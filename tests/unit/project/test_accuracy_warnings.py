from __future__ import annotations

from pathlib import Path

import pytest
from measured_projects import accuracy, labels, project

FUSED = '[deploy]\nfuse_preprocess = true\ncustomization_format = "RGB_PACKED"\n'
AS_THE_CAMERA = "keep_aspect_ratio = true\npad_value = 114\n"


def declare(root: Path, deploy: str = FUSED, inputs: str = AS_THE_CAMERA, images: int = 50) -> Path:
    project(root, deploy, images=images)
    return edit(root, "[verify]", f"{inputs}[verify]")


def edit(root: Path, old: str, new: str) -> Path:
    path = root / "models/net/model.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def calibrated(root: Path) -> None:
    edit(root, "[verify]", '[calibration]\ndataset = "street"\n[verify]')


def test_nothing_is_told_of_enough_images_that_are_as_the_camera_gives_them(tmp_path: Path) -> None:
    declare(tmp_path)
    calibrated(tmp_path)
    assert accuracy(tmp_path).notes == ()


@pytest.mark.parametrize(("images", "told"), [(1, "only 1 image is"), (49, "only 49 images are")])
def test_few_images_are_told(tmp_path: Path, images: int, told: str) -> None:
    declare(tmp_path, images=images)
    (note,) = accuracy(tmp_path).notes
    assert note.startswith(told)


def test_variants_with_int8_outputs_are_told(tmp_path: Path) -> None:
    declare(tmp_path, FUSED + '[variant.a]\nquantize = "INT8"\nquant_output = true\n')
    calibrated(tmp_path)
    (note,) = accuracy(tmp_path).notes
    assert note.startswith("a: with INT8 outputs (quant_output), the firmware exchanges the scales")


def test_float_outputs_of_the_networks_own_type_are_not_told(tmp_path: Path) -> None:
    declare(tmp_path, FUSED + "quant_output = true\n")
    assert accuracy(tmp_path).notes == ()


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ("", "[input] keep_aspect_ratio is not true: the calibration prepares"),
        (
            "keep_aspect_ratio = true\n",
            "[input] pad_value is 0, but the camera pads with 114: the calibration",
        ),
    ],
)
def test_a_calibration_with_other_pictures_is_told(tmp_path: Path, inputs: str, told: str) -> None:
    declare(tmp_path, inputs=inputs)
    assert accuracy(tmp_path).notes == ()
    calibrated(tmp_path)
    (note,) = accuracy(tmp_path).notes
    assert note.startswith(told)


def test_a_variant_that_takes_another_order_of_colours_is_told_with_its_name(tmp_path: Path) -> None:
    other = '[variant.b]\nquantize = "F16"\ncustomization_format = "BGR_PACKED"\n'
    declare(tmp_path, FUSED + other + other.replace(".b", ".c"))
    (note,) = accuracy(tmp_path).notes
    assert note.startswith(
        "b, c: measured with the declared input, not with the camera's (the camera gives packed"
    )


def test_a_variant_for_another_processor_is_not_compared_with_the_camera(tmp_path: Path) -> None:
    declare(tmp_path, '[deploy]\nprocessor = "cv180x"\n')
    assert accuracy(tmp_path).notes == ()


def test_the_scores_of_a_yolo26_are_told_unless_a_threshold_is_declared(tmp_path: Path) -> None:
    declare(
        tmp_path, '[output]\nnames = ["/model.23/one2one_cv2.0/x", "/model.23/one2one_cv3.0/x"]\n' + FUSED
    )
    (note,) = accuracy(tmp_path).notes
    assert note.startswith("the scores of a YOLO26 can be low")
    edit(tmp_path, 'dataset = "street"\n', 'dataset = "street"\nscore_threshold = 0.4\n')
    assert accuracy(tmp_path).notes == ()


def test_classes_of_the_dataset_that_no_chosen_image_has_are_told(tmp_path: Path) -> None:
    project(tmp_path, "input_num = 5\n", labels((0, "dog"), (1, "cat"), (2, "dog")))
    notes = accuracy(tmp_path).notes
    assert "1 of the dataset's classes are on none of the 5 measured images; figures leave them out" in notes
