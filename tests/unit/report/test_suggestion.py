from __future__ import annotations

from reports import variant

from cvimake.report.suggestion import suggest


def test_the_smallest_of_those_that_are_as_accurate_as_the_best_is_suggested() -> None:
    best, small = variant("f16", value=0.870, size=500), variant("int8", value=0.865, size=300)
    found = suggest([best, small, variant("bad", value=0.7, size=100)])
    assert found.variant == "int8"
    assert "0.005 less than f16" in found.reason


def test_a_small_variant_that_loses_more_than_the_standard_error_is_not() -> None:
    found = suggest([variant("f16", value=0.87, size=500), variant("int8", value=0.85, size=300)])
    assert found.variant == "f16"


def test_no_variant_that_the_camera_refuses_or_that_is_out_of_date_is_suggested() -> None:
    refused, stale = variant("a", works="no"), variant("b", state="will run")
    assert suggest([refused, stale, variant("c", value=0.5)]).variant == "c"
    assert suggest([refused]).variant == ""
    assert "the camera refuses it" in suggest([refused]).reason
    assert "out of date" in suggest([stale]).reason


def test_without_accuracy_nothing_is_suggested() -> None:
    found = suggest([variant(value=None)])
    assert found.variant == ""
    assert "[accuracy]" in found.reason
    assert suggest([]).variant == ""
