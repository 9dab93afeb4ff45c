from __future__ import annotations

from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.release import seen

INT8 = "net/net_cv181x_int8"


def measured(value: float | None, agreement: float | None = None, *, has_figure: bool = True) -> Measured:
    return Measured(
        network="net",
        sha256="ab",
        images=10,
        kind="YOLO11",
        figure=Figure(metric="top1", value=value) if has_figure else None,
        camera=None,
        agreement=Figure(metric="same class", value=agreement),
    )


def test_a_cvimodel_is_compared_with_the_float_network_of_its_model() -> None:
    networks = {INT8: measured(0.7, 0.9), "net/net_float": measured(0.75), "other/other_float": measured(0.1)}
    assert seen.of_cvimodel(f"{INT8}.cvimodel", networks) == {
        "accuracy": "top1 0.7000 on 10 images",
        "accuracy, from float": "-0.0500",
        "accuracy on camera": "-",
        "agreement": "0.9000",
    }


def test_where_nothing_was_measured_nothing_is_made_up() -> None:
    assert set(seen.of_cvimodel(f"{INT8}.cvimodel", {}).values()) == {"not measured"}
    without_labels = seen.of_cvimodel(f"{INT8}.cvimodel", {INT8: measured(None, 0.9, has_figure=False)})
    assert without_labels["accuracy"] == "no figure, on 10 images"
    assert without_labels["agreement"] == "0.9000"


def test_float_networks_that_see_something_else_are_told() -> None:
    old = {INT8: measured(0.7), "net/net_float": measured(0.75)}
    new = {INT8: measured(0.6), "net/net_float": measured(0.8)}
    assert list(seen.of_float(old, new)) == [("net", "top1 0.7500 on 10 images", "top1 0.8000 on 10 images")]
    assert list(seen.of_float(old, old)) == []
    assert list(seen.of_float({}, old)) == [("net", "not measured", "top1 0.7500 on 10 images")]
