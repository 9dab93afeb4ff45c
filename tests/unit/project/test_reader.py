from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path
from textwrap import dedent

import pytest
from doit.doit_cmd import DoitMain

from cvimake.core.errors import DeclarationError
from cvimake.project import DeclaredModel, read_declarations
from cvimake.project.names import RESERVED_NAMES

FLOAT = """
source = "net.onnx"
[verify]
input = "cat.png"
[variant.bf16]
quantize = "BF16"
"""
INT8 = """
source = "net.onnx"
[verify]
input = "cat.png"
[variant.int8]
quantize = "INT8"
"""


def declare(root: Path, name: str = "net", text: str = FLOAT) -> None:
    (root / "models" / name).mkdir(parents=True)
    (root / "models" / name / "model.toml").write_text(dedent(text), encoding="utf-8")


def declare_dataset(root: Path, name: str, text: str = "", *samples: str) -> None:
    folder = root / "datasets" / name
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text(text, encoding="utf-8")
    for sample in samples:
        (folder / sample).parent.mkdir(parents=True, exist_ok=True)
        (folder / sample).touch()


def settings(root: Path, text: str) -> None:
    (root / "pyproject.toml").write_text(dedent(text), encoding="utf-8")


def the_model(root: Path) -> DeclaredModel:
    (model,) = read_declarations(root).models.values()
    return model


def mistakes(root: Path) -> list[str]:
    """The lines of the error, each with its path relative to the project."""
    try:
        found = read_declarations(root)
    except DeclarationError as error:
        told = [str(error)]
    else:
        told = [*found.mistakes, *(what for model in found.unusable.values() for what in model.mistakes)]
    return [line.removeprefix(f"{root}/") for text in told for line in text.splitlines()]


# What is there


def test_an_empty_project_is_right(tmp_path: Path) -> None:
    found = read_declarations(tmp_path)
    assert (found.models, found.datasets) == ({}, {})


def test_models_and_datasets_are_read_by_name(tmp_path: Path) -> None:
    for name in ("zebra", "ant", "Mole.v2-x_y"):
        declare(tmp_path, name)
        declare_dataset(tmp_path, name)
    found = read_declarations(tmp_path)
    assert list(found.models) == list(found.datasets) == ["Mole.v2-x_y", "ant", "zebra"]


def test_a_folder_without_a_declaration_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "models" / "notes").mkdir(parents=True)
    (tmp_path / "datasets" / "notes").mkdir(parents=True)
    found = read_declarations(tmp_path)
    assert (found.models, found.datasets) == ({}, {})


def test_the_folders_can_be_others(tmp_path: Path) -> None:
    declare(tmp_path, "one")
    (tmp_path / "models").rename(tmp_path / "networks")
    settings(tmp_path, '[tool.cvimake]\nmodels = "networks"')
    assert list(read_declarations(tmp_path).models) == ["one"]


def test_paths_are_relative_to_the_models_folder(tmp_path: Path) -> None:
    declare(tmp_path)
    model = the_model(tmp_path)
    assert model.source == tmp_path / "models" / "net" / "net.onnx"


def test_a_training_checkpoint_is_told_before_anything_runs(tmp_path: Path) -> None:
    shapes = "[input]\nshapes = [[1, 3, 8, 8]]\n[verify]"
    declare(tmp_path, text=FLOAT.replace("net.onnx", "net.pt").replace("[verify]", shapes))
    # It may still come.
    assert the_model(tmp_path).takes_frameworks
    with zipfile.ZipFile(tmp_path / "models" / "net" / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", b"")
    mistake, *remedies = mistakes(tmp_path)
    assert mistake.startswith("models/net/model.toml:2: source: ")
    assert "net.pt is a training checkpoint" in mistake
    assert any("yolo export model=net.pt" in remedy for remedy in remedies)


def test_a_model_waits_for_every_file_of_its_network(tmp_path: Path) -> None:
    caffe = FLOAT.replace('"net.onnx"', '"net.prototxt"\nweights = "net.caffemodel"')
    declare(tmp_path, text=caffe)
    folder = tmp_path / "models" / "net"
    assert the_model(tmp_path).missing == (folder / "net.prototxt", folder / "net.caffemodel")
    (folder / "net.prototxt").touch()
    assert the_model(tmp_path).missing == (folder / "net.caffemodel",)
    (folder / "net.caffemodel").touch()
    assert the_model(tmp_path).missing == ()


# Mistakes


def test_the_opset_of_all_models_and_of_one(tmp_path: Path) -> None:
    settings(tmp_path, "[tool.cvimake.onnx]\nopset = 15\nir = 7\n")
    declare(tmp_path, "net", FLOAT + "[onnx]\nopset = 13\n")
    assert (the_model(tmp_path).onnx.opset, the_model(tmp_path).onnx.ir) == (13, 7)


@pytest.mark.parametrize("value", ["opset = 10", "opset = 18", "ir = 9", 'opset = "17"', "opsets = 17"])
def test_an_opset_that_the_toolchain_does_not_read_is_refused(tmp_path: Path, value: str) -> None:
    declare(tmp_path, "net", FLOAT + f"[onnx]\n{value}\n")
    (told,) = mistakes(tmp_path)
    assert told.startswith(f"models/net/model.toml:8: onnx.{value.partition(' ')[0]}: ")


def test_weights_of_a_network_can_be_in_files_beside_it(tmp_path: Path) -> None:
    declare(tmp_path, "net", FLOAT + '[onnx]\nexternal_data = ["w.bin"]\n')
    folder = tmp_path / "models" / "net"
    assert the_model(tmp_path).missing == (folder / "net.onnx", folder / "w.bin")


def test_weights_outside_and_conversions_of_other_networks_are_refused(tmp_path: Path) -> None:
    text = FLOAT.replace("net.onnx", "net.tflite") + '[onnx]\nexternal_data = ["../w", "/w"]\n'
    declare(tmp_path, "net", text)
    place = "models/net/model.toml:7: onnx:"
    assert mistakes(tmp_path) == [
        f"{place} is only for ONNX sources, and source is net.tflite",
        f"{place} external_data: ../w must be a relative path without '..', in the source's folder",
        f"{place} external_data: /w must be a relative path without '..', in the source's folder",
    ]


def test_all_mistakes_of_all_files_are_shown_at_once_with_their_lines(tmp_path: Path) -> None:
    settings(
        tmp_path,
        """\
        [project]
        name = "mine"

        [tool.cvimake]
        limits.memery = 4.0
        deploy.processor = "bm1684"
        """,
    )
    declare_dataset(tmp_path, "cats", "fils = []\nfolder = 1\n")
    declare(
        tmp_path,
        "one",
        """\
        source = "net.onnx"
        [input]
        pixel_format = "cmyk"
        scael = [1.0]
        [verify]
        input = "cat.png"
        [variant.a]
        quantize = "FP64"
        [variant.b]
        quantize = "BF16"
        asymmetric = true
        """,
    )
    declare(
        tmp_path,
        "two",
        """\
        source = "net.caffe"

        [verify]
        input = "cat.npz"
        [variant.a]
        quantize = "BF16"
        fuse_preprocess = true
        """,
    )
    declare(tmp_path, "three", "source =\n")
    found = mistakes(tmp_path)
    begins = {
        "pyproject.toml:5: limits.memery: no such key; did you mean memory?",
        "pyproject.toml:6: deploy.processor: 'bm1684' is not one of ",
        "datasets/cats/dataset.toml:1: fils: no such key; did you mean files?",
        "datasets/cats/dataset.toml:2: folder: ",
        "models/one/model.toml:3: input.pixel_format: 'cmyk' is not one of ",
        "models/one/model.toml:4: input.scael: no such key; did you mean scale?",
        "models/one/model.toml:8: variant.a.quantize: 'FP64' is not one of ",
        "models/one/model.toml:11: variant.b.asymmetric: refused: ",
        "models/two/model.toml:1: source: .caffe: ",
        "models/two/model.toml:7: variant.a.fuse_preprocess: needs one image",
        "models/three/model.toml:1: not TOML: ",
    }
    assert {begin for begin in begins if not any(line.startswith(begin) for line in found)} == set()
    assert len(found) == len(begins)


def test_a_mistake_in_deploy_is_told_once_and_there(tmp_path: Path) -> None:
    declare(tmp_path, text=FLOAT + '[variant.other]\nquantize = "BF16"\n[deploy]\naligned_input = true\n')
    assert mistakes(tmp_path) == [
        "models/net/model.toml:10: deploy.aligned_input: needs fuse_preprocess = true"
    ]


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    declare(tmp_path)
    (tmp_path / "models/net/model.toml").write_bytes(b'source = "a.onnx"\n# caf\xe9\n')
    assert mistakes(tmp_path) == ["models/net/model.toml:2: not UTF-8 text (byte 0xe9)"]


@pytest.mark.parametrize("text", ["[tool.cvimake\n", "a = 1\na = 2\n"])
def test_broken_settings_are_told(tmp_path: Path, text: str) -> None:
    settings(tmp_path, text)
    (found,) = mistakes(tmp_path)
    assert found.startswith("pyproject.toml")
    assert "not TOML" in found


@pytest.mark.parametrize("text", ["tool = 1", "[tool]\ncvimake = 1", "[[tool.cvimake]]\na = 1"])
def test_settings_that_are_no_table_are_a_mistake_like_any_other(tmp_path: Path, text: str) -> None:
    settings(tmp_path, text)
    (found,) = mistakes(tmp_path)
    assert found.startswith("pyproject.toml:")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2", "too large: it must be at most 1"),
        ("-0.1", "too small: it must be at least 0"),
        ('"all"', "is not a number; for example: compare = 0.05"),
    ],
)
def test_a_wrong_share_of_compared_stages_is_told_with_its_line(
    tmp_path: Path, value: str, told: str
) -> None:
    settings(tmp_path, f"[tool.cvimake.cluster]\ncompare = {value}\n")
    (found,) = mistakes(tmp_path)
    assert found.startswith("pyproject.toml:2: cluster.compare: ")
    assert told in found


def test_a_model_without_variants_is_refused(tmp_path: Path) -> None:
    declare(tmp_path, text=FLOAT.partition("[variant")[0])
    assert mistakes(tmp_path) == [
        'models/net/model.toml:1: variant: is missing; for example: [variant.int8] with quantize = "INT8"'
    ]


@pytest.mark.parametrize("file", ["cat.bmp", "cat.txt", "cat"])
def test_a_test_input_that_the_tool_does_not_read_is_refused(tmp_path: Path, file: str) -> None:
    declare(tmp_path, text=FLOAT.replace("cat.png", file))
    (found,) = mistakes(tmp_path)
    assert found.startswith("models/net/model.toml:4: verify.input: ")


# Names


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "-x", "_x", "a b", "a:b", "ä", "a\n", "a" * 101])
def test_a_model_cannot_be_called_so(tmp_path: Path, name: str) -> None:
    declare(tmp_path, name)
    assert f"a model cannot be called {name!r}" in "\n".join(mistakes(tmp_path))


@pytest.mark.parametrize(
    "name", ["onnx", "mlir", "calibration", "a_qtable", "a_info", "-x", "a b", "a:b", "..", "", "a" * 101]
)
def test_a_variant_cannot_be_called_so(tmp_path: Path, name: str) -> None:
    declare(tmp_path, text=FLOAT.replace("[variant.bf16]", f'[variant."{name}"]'))
    assert f"a variant cannot be called {name!r}" in "\n".join(mistakes(tmp_path))


def test_every_wrong_name_of_a_variant_is_told(tmp_path: Path) -> None:
    declare(tmp_path, text=FLOAT + '[variant.mlir]\nquantize = "BF16"\n[variant.onnx]\nquantize = "BF16"\n')
    found = "\n".join(mistakes(tmp_path))
    assert "'mlir'" in found
    assert "'onnx'" in found


def test_no_two_stages_have_one_name(tmp_path: Path) -> None:
    declare(
        tmp_path,
        text=FLOAT.replace('quantize = "BF16"', 'quantize = "BF16"\nprocessor = ["cv180x", "cv181x"]')
        + '[variant.bf16_cv181x]\nquantize = "BF16"\n',
    )
    assert "bf16_cv181x" in "\n".join(mistakes(tmp_path))


def test_a_dataset_cannot_be_called_so(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "a b")
    assert "a dataset cannot be called 'a b'" in "\n".join(mistakes(tmp_path))


@pytest.mark.parametrize("key", ["excepts", "names", "global_compare_layers"])
def test_a_comma_in_a_list_that_the_tool_splits_at_commas_is_refused(tmp_path: Path, key: str) -> None:
    text = {
        "excepts": FLOAT.replace("[variant.bf16]", '[variant.bf16]\nexcepts = [",,,"]'),
        "names": FLOAT.replace("[verify]", '[output]\nnames = ["a", ",,,"]\n[verify]'),
        "global_compare_layers": FLOAT
        + '[variant.mix]\nquantize = "INT8"\nqtable = { global_compare_layers = [",,,"] }\n',
    }[key]
    declare(tmp_path, text=text)
    assert "',,,' holds a comma, which the tool reads as several names" in "\n".join(mistakes(tmp_path))


def test_every_command_is_a_reserved_name() -> None:
    commands = {command.get_name() for command in DoitMain.DOIT_CMDS}
    commands |= {point.name.partition(":")[0] for point in metadata.entry_points(group="doit.COMMAND")}
    assert commands <= RESERVED_NAMES


# Samples


def with_calibration(options: str) -> str:
    return f"{INT8}[calibration]\n{options}\n"


def test_int8_without_samples_is_refused_with_the_datasets_that_there_are(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "cats", "", "0.png")
    declare(tmp_path, text=INT8)
    (found,) = mistakes(tmp_path)
    assert found.startswith("models/net/model.toml:1: calibration: is missing: INT8 needs samples")
    assert found.endswith("Datasets here: cats.")


def test_int8_with_a_table_of_its_own_needs_no_samples(tmp_path: Path) -> None:
    declare(tmp_path, text=INT8 + 'calibration_table = "mine"\n')
    assert the_model(tmp_path).calibration_samples is None


def test_a_dataset_that_does_not_exist_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "coco2017", "", "0.png")
    declare(tmp_path, text=with_calibration('dataset = "coco2107"'))
    assert mistakes(tmp_path) == [
        "models/net/model.toml:8: calibration.dataset: no dataset 'coco2107'; did you mean coco2017?"
    ]


def test_a_dataset_without_samples_is_refused(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "cats", "", "readme.txt")
    declare(tmp_path, text=with_calibration('dataset = "cats"'))
    (found,) = mistakes(tmp_path)
    assert found.startswith("models/net/model.toml:8: calibration.dataset: has no samples")


def test_samples_of_several_kinds_are_refused(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "cats", "", "0.png", "1.npz")
    declare(tmp_path, text=with_calibration('dataset = "cats"'))
    (found,) = mistakes(tmp_path)
    assert found.endswith("calibration.dataset: has samples of different kinds: image, npz")


@pytest.mark.parametrize("entry", ["/etc/passwd.png", "../a.png", "a/../../b.png", "a.npz,../b.npz"])
@pytest.mark.parametrize("option", ["data_list", "tune_list"])
def test_a_list_that_leads_out_of_its_folder_is_refused_with_its_line(
    tmp_path: Path, option: str, entry: str
) -> None:
    declare_dataset(tmp_path, "cats", "", "0.png")
    other = 'dataset = "cats"\n' if option == "tune_list" else ""
    declare(tmp_path, text=with_calibration(f'{other}{option} = "list.txt"'))
    (tmp_path / "models/net/list.txt").write_text(f"0.png\n\n{entry}\n", encoding="utf-8")
    (found,) = mistakes(tmp_path)
    assert f"calibration.{option}: " in found
    assert "list.txt:3: " in found
    assert "must be a relative path without '..'" in found


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    declare(tmp_path, text=with_calibration('data_list = "list.txt"'))
    (found,) = mistakes(tmp_path)
    assert found.startswith("models/net/model.toml:8: calibration.data_list: ")
    assert "list.txt" in found


def test_a_list_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    declare(tmp_path, text=with_calibration('data_list = "list.txt"'))
    (tmp_path / "models/net/list.txt").write_bytes(b"caf\xe9.png\n")
    (found,) = mistakes(tmp_path)
    assert "calibration.data_list: " in found
    assert "list.txt" in found


def test_dataset_and_list_exclude_each_other(tmp_path: Path) -> None:
    declare(tmp_path, text=with_calibration('dataset = "cats"\ndata_list = "list.txt"'))
    assert mistakes(tmp_path) == [
        "models/net/model.toml:7: calibration: dataset and data_list exclude each other"
    ]


def test_a_datasets_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "cats", 'folder = "photos"')
    (found,) = mistakes(tmp_path)
    assert found.startswith("datasets/cats/dataset.toml:1: folder: no folder ")


def test_a_folder_and_labels_that_are_not_there_are_told_by_their_plain_paths(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "cats", 'folder = "../photos"\nlabels = "../labels"')
    assert mistakes(tmp_path) == [
        f"datasets/cats/dataset.toml:1: folder: no folder {tmp_path}/datasets/photos",
        f"datasets/cats/dataset.toml:2: labels: no file or folder {tmp_path}/datasets/labels",
    ]


def test_a_search_takes_the_calibrations_samples_unless_it_has_its_own(tmp_path: Path) -> None:
    declare_dataset(tmp_path, "cats", "", "0.png")
    declare_dataset(tmp_path, "dogs", "", "1.png")
    declare(
        tmp_path,
        text=with_calibration('dataset = "cats"')
        + '[variant.a]\nquantize = "INT8"\nqtable = {}\n'
        + '[variant.b]\nquantize = "INT8"\nqtable = { dataset = "dogs" }\n',
    )
    samples = {variant.name: variant.qtable_samples for variant in the_model(tmp_path).variants}
    assert samples["int8"] is None
    assert list(samples["a"].files if samples["a"] else []) == ["0.png"]
    assert list(samples["b"].files if samples["b"] else []) == ["1.png"]


def test_a_search_without_samples_is_refused(tmp_path: Path) -> None:
    declare(tmp_path, text=INT8 + 'calibration_table = "mine"\nqtable = {}\n')
    (found,) = mistakes(tmp_path)
    assert "variant.int8.qtable" in found


# Settings for all models


def test_a_models_value_wins_over_the_projects_and_a_variants_over_both(tmp_path: Path) -> None:
    settings(
        tmp_path,
        """\
        [tool.cvimake.input]
        pixel_format = "gray"
        pad_value = 7
        [tool.cvimake.deploy]
        quant_input = true
        opt = 1
        op_divide = true
        """,
    )
    declare(
        tmp_path,
        text="""\
        source = "net.onnx"
        input.pixel_format = "rgb"
        verify.input = "cat.png"
        deploy.opt = 2
        [variant.a]
        quantize = "BF16"
        [variant.b]
        quantize = "BF16"
        quant_input = false
        opt = 1
        """,
    )
    model = the_model(tmp_path)
    a, b = (variant.options for variant in model.variants)
    assert (model.inputs.pixel_format, model.inputs.pad_value) == ("rgb", 7)
    assert (a.quant_input, a.opt, a.op_divide) == (True, 2, True)
    assert (b.quant_input, b.opt, b.op_divide) == (False, 1, True)


def test_a_models_samples_replace_the_projects_of_whichever_kind(tmp_path: Path) -> None:
    settings(tmp_path, '[tool.cvimake.calibration]\ndataset = "cats"\ninput_num = 5\n')
    declare_dataset(tmp_path, "cats", "", "0.png")
    declare(tmp_path, text=with_calibration('data_list = "list.txt"'))
    (tmp_path / "models/net/list.txt").write_text("1.png\n", encoding="utf-8")
    model = the_model(tmp_path)
    assert model.calibration_samples
    assert list(model.calibration_samples.files) == ["1.png"]
    assert model.calibration.input_num == 5


def test_the_projects_samples_hold_where_a_model_has_none(tmp_path: Path) -> None:
    settings(tmp_path, '[tool.cvimake.calibration]\ndataset = "cats"\n')
    declare_dataset(tmp_path, "cats", "", "0.png")
    declare(tmp_path, text=INT8)
    samples = the_model(tmp_path).calibration_samples
    assert list(samples.files if samples else []) == ["0.png"]


def test_a_combination_is_refused_wherever_its_parts_stand(tmp_path: Path) -> None:
    settings(tmp_path, "[tool.cvimake.deploy]\naligned_input = true\n")
    declare(tmp_path)
    (found,) = mistakes(tmp_path)
    assert found.endswith("aligned_input: needs fuse_preprocess = true")


def test_settings_of_other_tools_are_ignored(tmp_path: Path) -> None:
    settings(tmp_path, "[tool.ruff]\nline-length = 110\n")
    declare(tmp_path)
    assert the_model(tmp_path).name == "net"


# Processors


@pytest.mark.parametrize(
    ("option", "processors"),
    [
        ("", ("cv181x",)),
        ('processor = "cv180x"', ("cv180x",)),
        ('processor = ["cv180x", "cv183x"]', ("cv180x", "cv183x")),
        ('processor = ["cv182x"]', ("cv182x",)),
    ],
)
def test_a_variant_is_for_one_or_several_processors(
    tmp_path: Path, option: str, processors: tuple[str, ...]
) -> None:
    declare(tmp_path, text=FLOAT + option)
    assert the_model(tmp_path).variants[0].processors == processors


def test_a_processor_that_stands_twice_is_refused(tmp_path: Path) -> None:
    declare(tmp_path, text=FLOAT + 'processor = ["cv181x", "cv181x"]')
    (found,) = mistakes(tmp_path)
    assert found.startswith("models/net/model.toml:7: variant.bf16.processor")
