from __future__ import annotations

from pathlib import Path

import pytest
from releases import Shop

from cvimake.camera.device_time import Clock, Estimate
from cvimake.pipeline.accuracy import Figure, Measured
from cvimake.release import difference, summary

INT8 = "m0000/m0000_cv181x_int8"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path, monkeypatch)
    shop.conclude(time=estimate(2_000_000))
    shop.released()
    return shop


def estimate(cycles: int) -> Estimate:
    return Estimate(clocks=(Clock(megahertz=500, compute=1, memory=1, together=cycles),))


def measured(value: float) -> Measured:
    figure = Figure(metric="mAP50-95", value=value, standard_error=0.01)
    return Measured(
        network="a", sha256="b", images=8, kind="YOLO11", figure=figure, camera=None, agreement=None
    )


def sentences(shop: Shop, before: float | None = None, now: float | None = None) -> tuple[str, ...]:
    """From the release to one of the project as it is now; INT8 has these figures if any are given."""
    shop.commit()
    shop.released(version="1.1")
    contents = []
    for found, value in zip(shop.contents("1.0", "1.1"), (before, now), strict=True):
        seen = {INT8: measured(value)} if value is not None else {}
        contents.append(difference.Contents(found.provenance, found.infos, seen, found.float_layers))
    return summary.of_model("m0000", *contents)


def test_nothing_has_changed(shop: Shop) -> None:
    assert sentences(shop) == ("No cvimodel has changed.",)


def test_a_rebuilt_variant_has_its_cause_and_what_it_did(shop: Shop) -> None:
    shop.conclude(size=900, time=estimate(1_000_000))
    shop.declare(
        '[variant.int8]\nquantize = "INT8"', '[variant.int8]\nquantize = "INT8"\nquant_output = true'
    )
    assert sentences(shop, 0.5, 0.48) == (
        (
            "int8 was rebuilt, because quant_output is now given. "
            "Now it is 10.0% smaller (1.0 kB, now 0.9 kB), its mAP50-95 is 0.020 lower (0.500, now 0.480) "
            "and the estimate of its time is 50.0% shorter (2.0 to 2.0 ms, now 1.0 to 1.0 ms)."
        ),
        "mix has not changed.",
    )


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (0.5001, "its mAP50-95 is still 0.500"),
        (0.507, "its mAP50-95 is 0.007 higher (0.500, now 0.507, which is less than the standard error)"),
    ],
)
def test_a_small_change_of_accuracy_is_told_as_one(shop: Shop, now: float, told: str) -> None:
    shop.declare(
        '[variant.int8]\nquantize = "INT8"', '[variant.int8]\nquantize = "INT8"\nquant_output = true'
    )
    assert told in sentences(shop, 0.5, now)[0]


def test_the_same_file_measured_on_other_images(shop: Shop) -> None:
    assert sentences(shop, 0.5, 0.6) == (
        "int8 is the same file, but its mAP50-95 is 0.100 higher (0.500, now 0.600): it was measured anew.",
        "int8 and mix have not changed.",
    )


def test_a_new_variant_and_one_that_is_gone(shop: Shop) -> None:
    shop.declare('[variant.int8]\nquantize = "INT8"', '[variant.other]\nquantize = "INT8"')
    assert set(sentences(shop)) == {
        "int8 is gone.",
        "other is new: 1.0 kB, 2.0 to 2.0 ms.",
        "mix has not changed.",
    }


def test_variants_that_stay_the_same_files_are_told_together(shop: Shop) -> None:
    shop.same |= {"m0000:int8", "m0000:mix"}
    shop.declare("quant_input = true", "quant_input = false")
    shop.commit()
    shop.released(version="1.1")
    shop.declare("quant_input = false", "quant_input = true")
    shop.commit()
    shop.released(version="1.2")
    old, new = shop.contents("1.1", "1.2")
    assert summary.of_model("m0000", old, new) == (
        "int8 and mix are the same files as before, although quant_input is now given.",
    )
