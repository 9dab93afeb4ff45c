from __future__ import annotations

from pathlib import Path

from cvimake.builder.accuracy_table import (
    Accuracy,
    Columns,
    explanations,
    not_worth_their_size,
    of_float_networks,
    read,
)
from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.pipeline.stage import Row


def written(path: Path, figure: Figure | None, camera: Figure | None, agreement: Figure | None) -> Path:
    measured = Measured(
        network=path.name,
        sha256="ab",
        images=20,
        kind="YOLO11",
        figure=figure,
        camera=camera,
        agreement=agreement,
    )
    path.write_text(measured.model_dump_json(), encoding="utf-8")
    return path


def row(tmp_path: Path, *, labelled: bool) -> Row:
    of_float, of_variant = (
        (
            Figure(metric="mAP50-95", value=value, standard_error=0.006) if labelled else None,
            Figure(metric="mAP50-95", value=value - 0.03) if labelled else None,
        )
        for value in (0.87, 0.865)
    )
    agreement = Figure(metric="same detections", value=0.98)
    files = (
        written(tmp_path / "float.json", *of_float, None),
        written(tmp_path / "int8.json", *of_variant, agreement),
    )
    return Row("net", "int8", tmp_path / "info.json", files)


def test_a_row_has_what_the_variant_sees_and_what_it_lost(tmp_path: Path) -> None:
    one = row(tmp_path, labelled=True)
    columns = Columns({one: read(one)})
    assert columns.headings == ["accuracy", "on camera", "agreement"]
    assert columns.cells(one) == ["0.865 ±0.006 (-0.005)", "0.835 (-0.005)", "0.980"]
    (line,) = explanations({one: read(one)})
    assert line.startswith("net: accuracy is mAP50-95 on 20 images, ± its standard error")
    assert line.endswith("the float network has 0.870, 0.840 as the camera shows it")


def test_without_labels_there_is_no_empty_column(tmp_path: Path) -> None:
    one = row(tmp_path, labelled=False)
    columns = Columns({one: read(one)})
    assert (columns.headings, columns.cells(one)) == (["agreement"], ["0.980"])
    assert list(explanations({one: read(one)})) == ["net: agreement with the float network, on 20 images"]


def test_rows_without_figures_have_no_columns(tmp_path: Path) -> None:
    one = Row("net", "int8", tmp_path / "info.json")
    columns = Columns({one: read(one)})
    assert (columns.headings, columns.cells(one)) == ([], [])


def test_a_damaged_file_leaves_the_cells_empty(tmp_path: Path) -> None:
    one = row(tmp_path, labelled=True)
    one.accuracy[1].write_text("{", encoding="utf-8")
    assert read(one) is None


def test_one_image_is_not_called_images() -> None:
    of_one = Measured(network="n", sha256="", images=1, kind="", figure=None, camera=None, agreement=None)
    accuracy = Accuracy(of_one, of_one)
    told = list(explanations({Row("net", "int8", Path("info.json")): accuracy}))
    assert told == ["net: agreement with the float network, on 1 image"]


def test_an_unknown_agreement_has_its_reason(tmp_path: Path) -> None:
    files = (
        written(tmp_path / "float.json", None, None, None),
        written(tmp_path / "int8.json", None, None, Figure(metric="same detections", value=None)),
    )
    one = Row("net", "int8", tmp_path / "info.json", files)
    assert Columns({one: read(one)}).cells(one) == ["unknown"]
    (line,) = explanations({one: read(one)})
    assert line.endswith(
        "on 20 images: unknown, because the float network finds nothing in them that it is sure of"
    )


def test_a_float_network_without_a_row_has_a_line(tmp_path: Path) -> None:
    one = row(tmp_path, labelled=True)
    assert list(of_float_networks({"net": one.accuracy[0], "other": one.accuracy[0]}, {"other"})) == [
        "net: the float network has mAP50-95 0.870 ±0.006 on 20 images, 0.840 as the camera shows it"
    ]


def test_a_float_network_without_a_figure_has_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "float.json"
    measured = Measured(
        network="n",
        sha256="",
        images=1,
        kind="",
        figure=None,
        figure_reason="the images have no labels",
        camera=None,
        agreement=None,
    )
    path.write_text(measured.model_dump_json(), encoding="utf-8")
    (line,) = of_float_networks({"net": path}, ())
    assert line == "net: the float network has no figure of its own: the images have no labels"


def test_a_damaged_file_of_a_float_network_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "float.json").write_text("{", encoding="utf-8")
    assert list(of_float_networks({"net": tmp_path / "float.json", "no": tmp_path / "no"}, ())) == []


def measured_rows(**values: float | None) -> dict[Row, Accuracy | None]:
    def of(value: float | None) -> Measured:
        figure = None if value is None else Figure(metric="mAP50-95", value=value)
        return Measured(network="n", sha256="", images=9, kind="", figure=figure, camera=None, agreement=None)

    return {
        Row("net", name, Path(f"{name}.json")): Accuracy(of(0.87), of(value))
        for name, value in values.items()
    }


def test_a_variant_that_a_smaller_one_equals_is_told() -> None:
    measured = measured_rows(f16=0.87, int8=0.86, mix=0.86, other=None)
    sizes = dict(zip(measured, (5, 2, 3, 1), strict=True))
    assert list(not_worth_their_size(measured, sizes)) == [
        "net: mix is no more accurate than int8, which is smaller"
    ]


def test_variants_of_different_models_or_of_unknown_size_are_not_compared() -> None:
    measured = measured_rows(int8=0.86, mix=0.86)
    int8, mix = measured
    assert list(not_worth_their_size(measured, {mix: 3})) == []
    of_another = {Row("other", "int8", int8.info): measured[int8], mix: measured[mix]}
    assert list(not_worth_their_size(of_another, dict(zip(of_another, (2, 3), strict=True)))) == []


def test_a_more_accurate_variant_may_be_larger() -> None:
    measured = measured_rows(int8=0.85, mix=0.86)
    assert list(not_worth_their_size(measured, dict(zip(measured, (2, 3), strict=True)))) == []
