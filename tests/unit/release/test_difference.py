from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from releases import Shop

from cvimake.camera.device_time import Clock, Estimate
from cvimake.camera.recognition import Recognition
from cvimake.core.errors import CvimakeError
from cvimake.pipeline.cvimodel_info import Comparison
from cvimake.release import difference, opened
from cvimake.release.difference import EVERYTHING, Change

INT8, MIX = "m0000/m0000_cv181x_int8.cvimodel", "m0000/m0000_cv181x_mix.cvimodel"


def changes(shop: Shop) -> list[Change]:
    """From the release to one of the project as it is now."""
    shop.commit()
    new = shop.released(version="1.1")
    old = shop.root / "release" / "bench-1.0"
    return difference.changes(
        *(difference.read(opened.open_release(path)) for path in (old, Path(f"{new}.tar")))
    )


def found(changes: list[Change], subject: str) -> dict[str, tuple[str, str]]:
    return {change.what: (change.old, change.new) for change in changes if change.subject == subject}


def test_the_same_again_is_another_version_and_nothing_else(shop: Shop) -> None:
    told = changes(shop)
    assert {change.what for change in told} <= {"version", "commit"}
    assert found(told, EVERYTHING)["version"] == ("1.0", "1.1")


def test_the_changes_of_a_cvimodel_are_listed(shop: Shop) -> None:
    shop.conclude(
        size=2000,
        ion_memory=0.25,
        recognised_as="YOLO11",
        time=Estimate(clocks=(Clock(megahertz=500, compute=1, memory=1, together=2_500_000),)),
        recognition=Recognition(as_="YOLO11", type=9, works="badly", reason="INT8 outputs"),
        similarity=(
            Comparison(target="m_tpu_outputs.npz", cosine=0.5, euclidean=None, signal_to_noise=None),
            Comparison(target="m_model_outputs.npz", cosine=1.0, euclidean=1.0, signal_to_noise=None),
        ),
    )
    shop.declare(
        '[variant.int8]\nquantize = "INT8"', '[variant.int8]\nquantize = "INT8"\nquant_output = true'
    )
    told = found(changes(shop), INT8)
    assert told["size"] == ("1.0 kB (1000)", "2.0 kB (2000), +100.0%")
    assert told["ION memory"] == ("0.10 MB", "0.25 MB, +150.0%")
    assert told["TPU time"] == ("no estimate", "2.5 to 2.5 ms (2.500)")
    assert told["similarity"] == ("0.990000", "0.500000")
    assert told["euclidean similarity"] == ("0.900000", "-")
    assert told["recognised as"] == ("nothing", "YOLO11")
    assert told["on the camera"] == ("is refused", "works badly")
    assert told["--quant_output"] == ("", "given")
    assert "sha256" in told


def test_sources_samples_options_and_the_toolchain_are_told_once(shop: Shop) -> None:
    source = shop.root / "models" / "m0000" / "tiny.onnx"
    source.write_bytes(source.read_bytes() + b"x")
    for path in sorted((shop.root / "datasets" / "samples").glob("*.png"))[:6]:
        path.write_bytes(path.read_bytes() + b"x")
    shop.declare('dataset = "samples"', 'dataset = "samples"\ninput_num = 4')
    shop.identity["packages"]["numpy"] = {"version": "2", "sha256": "cc"}
    shop.doit("forget", "toolchain")
    told = found(changes(shop), EVERYTHING)
    assert "source models/m0000/tiny.onnx" in told
    assert told["files in datasets/samples"] == ("0 gone", "0 new, 6 of other contents")
    assert told["m0000:calibration --input_num"] == ("", "4")
    assert told["toolchain: packages.numpy.version"] == ("1.26.4", "2")


def test_a_change_in_both_images_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path, monkeypatch)
    shop.released()
    shop.take_tflite()
    shop.commit()
    shop.released(version="1.0.1")
    for identity in (shop.identity, shop.frameworks):
        identity["python"] = "3.10.15"
    shop.frameworks["packages"]["torch"]["version"] = "2.0.2"
    shop.doit("forget", "toolchain", "frameworks")
    shop.released(version="1.1")
    first, second, third = (
        difference.read(opened.open_release(shop.root / "release" / f"bench-{version}"))
        for version in ("1.0", "1.0.1", "1.1")
    )
    told = found(difference.changes(second, third), EVERYTHING)
    assert {what: value for what, value in told.items() if what.startswith(("toolchain", "frameworks"))} == {
        "toolchain: python": ("3.10.14", "3.10.15"),
        "frameworks: packages.torch.version": ("2.0.1", "2.0.2"),
    }
    # One that was not needed before is one line, and not all its packages.
    assert [change.what for change in difference.changes(first, second) if "frameworks" in change.what] == [
        "frameworks image"
    ]


def test_layers_that_stay_float_are_read_from_the_qtable(shop: Shop) -> None:
    """The tool of this workshop writes one line into its qtable."""
    (contents,) = shop.contents("1.0")
    assert contents.float_layers == {INT8: None, MIX: ("m0000_cv181x_mix_qtable",)}


def test_layers_that_become_float_and_those_that_no_longer_are_so_are_named(shop: Shop) -> None:
    table = shop.root / "models" / "m0000" / "mine.txt"
    table.write_text("# op_name quantize_mode\nfirst_Conv BF16\nlast_Add BF16\n", encoding="utf-8")
    shop.declare("qtable = { expected_cos = 0.9999, min_layer_cos = 0.9999 }", 'qtable = "mine.txt"')
    told = found(changes(shop), MIX)
    assert told["float layers"] == ("1", "2")
    assert told["now float"] == ("", "first_Conv\nlast_Add")
    assert told["no longer float"] == ("m0000_cv181x_mix_qtable", "")
    layers = "".join(f"layer{number} BF16\n" for number in range(20))
    table.write_text(f"{layers}last_Add BF16\n", encoding="utf-8")
    shop.commit()
    shop.released(version="1.2")
    second, third = shop.contents("1.1", "1.2")
    told = found(difference.changes(second, third), MIX)
    assert told["now float"][1].endswith("\nlayer11\nand 8 more")
    assert told["no longer float"] == ("first_Conv", "")


def test_variants_come_and_go(shop: Shop) -> None:
    shop.declare("[variant.mix]", "[variant.blend]")
    told = changes(shop)
    assert found(told, MIX)["cvimodel"] == ("there", "gone")
    assert found(told, "m0000/m0000_cv181x_blend.cvimodel")["cvimodel"] == ("", "new")


def test_a_path_that_is_not_a_release_is_an_error(shop: Shop) -> None:
    folder = shop.root / "release" / "bench-1.0"
    (folder / "m0000" / "m0000_cv181x_int8_info.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CvimakeError, match=r"int8_info\.json: not an info of a cvimodel"):
        difference.read(opened.open_release(folder))
    shutil.rmtree(folder)
    with pytest.raises(CvimakeError, match="no release"):
        opened.open_release(folder)


def test_changes_of_accuracy_are_listed(shop: Shop) -> None:
    shop.measure()
    told = changes(shop)
    assert found(told, EVERYTHING)["accuracy of m0000 in float"] == (
        "not measured",
        "mAP50-95 0.8000 ±0.0100 on 8 images",
    )
    assert found(told, INT8)["accuracy"] == ("not measured", "mAP50-95 0.8000 ±0.0100 on 8 images")
    shop.declare("quant_input = true", "quant_input = false")
    shop.accuracy["m0000:int8_accuracy"] = 0.75
    shop.commit()
    shop.released(version="1.2")
    second, third = shop.contents("1.1", "1.2")
    told = difference.changes(second, third)
    assert not [change for change in told if "in float" in change.what]
    of_int8 = found(told, INT8)
    assert of_int8["accuracy"][1] == "mAP50-95 0.7500 ±0.0100 on 8 images"
    assert of_int8["accuracy, from float"] == ("+0.0000", "-0.0500")
    assert of_int8["accuracy on camera"] == ("0.7000", "0.6500")
    assert "agreement" not in of_int8


def test_a_changed_option_of_all_accuracies_is_told_once(shop: Shop) -> None:
    shop.measure()
    shop.commit()
    shop.released(version="1.0.1")
    shop.declare('dataset = "samples"\n\n[variant', 'dataset = "samples"\niou_threshold = 0.4\n\n[variant')
    shop.commit()
    shop.released(version="1.1")
    second, third = shop.contents("1.0.1", "1.1")
    told = [change for change in difference.changes(second, third) if "options.json" in change.what]
    assert Change(EVERYTHING, "m0000 accuracy options.json thresholds.others.overlap", "0.45", "0.4") in told
    assert len(told) == len(set(told)) == 2


def test_an_accuracy_that_is_none_is_an_error(shop: Shop) -> None:
    shop.measure()
    shop.commit()
    folder = shop.released(version="1.1")
    (folder / "m0000" / "m0000_float_accuracy.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CvimakeError, match=r"float_accuracy\.json: not the accuracy of a network"):
        difference.read(opened.open_release(folder))
