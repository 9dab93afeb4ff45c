from __future__ import annotations

from releases import Shop

from cvimake.release import causes

INT8, MIX = "m0000/m0000_cv181x_int8.cvimodel", "m0000/m0000_cv181x_mix.cvimodel"


def found(shop: Shop) -> dict[str, tuple[str, ...]]:
    """The causes of each cvimodel, from the release to one of the project as it is now."""
    shop.commit()
    shop.released(version="1.1")
    old, new = (contents.provenance for contents in shop.contents("1.0", "1.1"))
    return {name: causes.of(name, old, new) for name in (INT8, MIX)}


def test_without_a_change_there_is_no_cause(shop: Shop) -> None:
    assert found(shop) == {INT8: (), MIX: ()}


def test_an_option_of_one_variant_is_a_cause_for_this_one_alone(shop: Shop) -> None:
    shop.declare("expected_cos = 0.9999", "expected_cos = 0.99")
    assert found(shop) == {INT8: (), MIX: ("expected_cos was changed from 0.9999 to 0.99",)}


def test_an_option_that_was_not_there_before(shop: Shop) -> None:
    shop.declare(
        '[variant.int8]\nquantize = "INT8"', '[variant.int8]\nquantize = "INT8"\nquant_output = true'
    )
    assert found(shop) == {INT8: ("quant_output is now given",), MIX: ()}


def test_sources_and_the_toolchain_are_causes_for_all_and_each_is_told_once(shop: Shop) -> None:
    source = shop.root / "models" / "m0000" / "tiny.onnx"
    source.write_bytes(source.read_bytes() + b"x")
    for path in sorted((shop.root / "datasets" / "samples").glob("*.png"))[1:3]:
        path.write_bytes(path.read_bytes() + b"x")
    shop.identity["packages"]["numpy"] = {"version": "2", "sha256": "cc"}
    shop.doit("forget", "toolchain")
    expected = {
        "the toolchain was changed",
        "images in datasets/samples were changed",
        "models/m0000/tiny.onnx was changed",
    }
    told = found(shop)
    assert {name: set(one) for name, one in told.items()} == {INT8: expected, MIX: expected}
    assert all(len(one) == len(set(one)) for one in told.values())
